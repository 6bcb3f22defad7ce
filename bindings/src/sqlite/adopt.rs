//! Opening a database: a fresh one gets its tables, an older one of ours the new ones, and that of an earlier program is
//! adopted in place.
//!
//! Adoption rebuilds the two tables that such a program has, with every row, every further column, its indexes and its
//! triggers. It is planned here and run by the host in one transaction, with foreign keys off and a copy of the file made
//! first; values are not touched.

use super::{SCHEMA, SCHEMA_VERSION, split, upgrade};
use crate::invalid_arguments;
use serde::Deserialize;
use serde_json::json;
use strongroom::{Error, ErrorCode, Result};

#[derive(Deserialize)]
struct Inspection {
    current: u64,
    objects: Vec<Object>,
    columns: Vec<Column>,
    foreign_keys: Vec<ForeignKey>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    table: String,
    sql: String,
    columns: Vec<Option<String>>,
}

#[derive(Deserialize)]
pub(super) struct Column {
    pub(super) table: String,
    pub(super) name: String,
    #[serde(rename = "type")]
    declared: String,
    required: u64,
    default: Option<String>,
    hidden: u64,
}

#[derive(Deserialize)]
struct ForeignKey {
    table: String,
    column: String,
    parent: String,
    parent_column: Option<String>,
    on_update: String,
    on_delete: String,
}

/// The columns that a table of an earlier program must have, or it is somebody else's.
const NEEDED: [(&str, [&str; 2]); 2] =
    [("secrets", ["name", "value_encrypted"]), ("secrets_audit", ["secret_name", "action"])];

/// How far AUTOINCREMENT has counted, which SQLite forgets with the table: the id of a row that was deleted long ago is
/// never given out again, since old audit rows may still name it. The first statement is also what makes sure that there
/// is a `sqlite_sequence`.
const KEEP_IDS: [&str; 2] = [
    "CREATE TABLE strongroom_old_ids (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, seq INTEGER)",
    "INSERT INTO strongroom_old_ids (name, seq) SELECT lower(name), seq FROM sqlite_sequence",
];

/// The columns that the vault takes over with their meaning. A table may have others; they stay what they are.
const OLD_SECRETS: [&str; 10] = [
    "id",
    "name",
    "value_encrypted",
    "encryption_key_id",
    "last_rotated",
    "accessed_count",
    "created_by",
    "created_at",
    "updated_at",
    "last_accessed",
];
const OLD_AUDIT: [&str; 8] =
    ["id", "secret_id", "secret_name", "action", "user_id", "platform", "success", "created_at"];

/// The columns whose text is brought into the form that the vault reads.
const INSTANTS: [&str; 4] = ["last_rotated", "created_at", "updated_at", "last_accessed"];

/// What to run on a database that was just opened, given what the statement `inspect` says of it and the version that
/// the statement `schema_version` gives, if the table is there.
///
/// Gives `{"state": "current" | "fresh" | "upgrade" | "adopt", "statements": [...]}`, to be run in one transaction. Errors:
/// `UNSUPPORTED` for tables of a newer version, or of another program, or with columns of its own where ours belong.
pub fn plan_opening(inspection: &str, version: Option<u64>) -> Result<String> {
    let inspection: Inspection =
        serde_json::from_str(inspection).map_err(|_| invalid_arguments("the inspection", "it has another shape"))?;
    if inspection.current > 0 {
        return match version {
            Some(SCHEMA_VERSION) => Ok(json!({ "state": "current", "statements": [] }).to_string()),
            Some(upgrade::FROM) => {
                let statements = upgrade::statements(&inspection.columns)?;
                Ok(json!({ "state": "upgrade", "statements": statements }).to_string())
            }
            _ => Err(unsupported("the database was written by a newer strongroom: update this one")),
        };
    }
    let mut old_tables = Vec::new();
    for (name, needed) in NEEDED {
        old_tables.extend(OldTable::find(&inspection, name, &needed)?);
    }
    let state = if old_tables.is_empty() { "fresh" } else { "adopt" };
    let mut statements: Vec<String> = Vec::new();
    if !old_tables.is_empty() {
        statements.extend(KEEP_IDS.map(str::to_owned));
    }
    for table in &old_tables {
        statements.push(format!("CREATE TABLE strongroom_old_{0} AS SELECT * FROM {0}", table.name));
        statements.push(format!("DROP TABLE {}", table.name));
    }
    statements.extend(split(SCHEMA));
    for table in &old_tables {
        statements.extend(table.extra.iter().map(|column| table.add_column(column)));
        statements.push(table.copy_back());
        statements.push(format!("DROP TABLE strongroom_old_{}", table.name));
        statements.extend(table.restore_ids());
    }
    if !old_tables.is_empty() {
        statements.push("DROP TABLE strongroom_old_ids".to_owned());
    }
    for table in &old_tables {
        statements.extend(table.objects.iter().map(|object| object.sql.clone()));
    }
    Ok(json!({ "state": state, "statements": statements }).to_string())
}

/// A table of an earlier program.
struct OldTable<'a> {
    name: &'static str,
    /// Its columns that ours has too.
    shared: Vec<&'a Column>,
    /// Its columns that only it has.
    extra: Vec<&'a Column>,
    /// Its indexes and triggers that stay.
    objects: Vec<&'a Object>,
    foreign_keys: Vec<&'a ForeignKey>,
}

impl<'a> OldTable<'a> {
    fn find(inspection: &'a Inspection, name: &'static str, needed: &[&str]) -> Result<Option<Self>> {
        let columns: Vec<&Column> = inspection.columns.iter().filter(|column| column.table == name).collect();
        if columns.is_empty() {
            return Ok(None);
        }
        let has = |wanted: &&str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(wanted));
        let id_is_integer = |column: &&Column| {
            !column.name.eq_ignore_ascii_case("id") || column.declared.to_ascii_uppercase().contains("INT")
        };
        if !needed.iter().all(has) || !columns.iter().all(id_is_integer) {
            let needed = needed.join(" and ");
            return Err(unsupported(&format!(
                "the table {name} is that of another program, without an integer id, {needed}: keep the vault in a file of its own"
            )));
        }
        if columns.iter().any(|column| column.hidden > 0) {
            return Err(unsupported(&format!(
                "the table {name} has generated columns, which are not adopted: drop them first"
            )));
        }
        let named = |names: &[&str], column: &Column| names.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
        let old_names = if name == "secrets" { OLD_SECRETS.as_slice() } else { OLD_AUDIT.as_slice() };
        let (shared, extra): (Vec<_>, Vec<_>) = columns.into_iter().partition(|column| named(old_names, column));
        let ours = our_columns(name);
        if let Some(taken) = extra.iter().find(|column| ours.iter().any(|ours| ours.eq_ignore_ascii_case(&column.name)))
        {
            let taken = &taken.name;
            return Err(unsupported(&format!(
                "the table {name} has a column {taken}, a name that the vault needs for itself: rename the column first"
            )));
        }
        let objects = inspection.objects.iter().filter(|object| object.table == name && object.stays()).collect();
        let foreign_keys = inspection.foreign_keys.iter().filter(|key| key.table == name).collect();
        Ok(Some(OldTable { name, shared, extra, objects, foreign_keys }))
    }

    /// A column that only the old table has, with its default and what it refers to. It is required only where it has a
    /// default: the vault does not know what to put in.
    fn add_column(&self, column: &Column) -> String {
        let declared = if is_plain_type(&column.declared) { &column.declared } else { "" };
        let mut sql = format!("ALTER TABLE {} ADD COLUMN {} {declared}", self.name, quoted(&column.name));
        if let Some(default) = &column.default {
            sql.push_str(if column.required > 0 { " NOT NULL" } else { "" });
            // On a line of its own: the text may end with a comment.
            sql.push_str(&format!(" DEFAULT ({default}\n)"));
        }
        if let Some(key) = self.foreign_keys.iter().find(|key| key.column.eq_ignore_ascii_case(&column.name)) {
            let of = key.parent_column.as_ref().map(|column| format!("({})", quoted(column))).unwrap_or_default();
            let (update, delete) = (&key.on_update, &key.on_delete);
            sql.push_str(&format!(" REFERENCES {}{of} ON UPDATE {update} ON DELETE {delete}", quoted(&key.parent)));
        }
        sql
    }

    /// Every row with every column; instants in the form that the vault reads, where they can be read at all.
    fn copy_back(&self) -> String {
        let all = || self.shared.iter().chain(&self.extra);
        let into: Vec<String> = all().map(|column| quoted(&column.name)).collect();
        let from: Vec<String> = all().map(|column| converted(column)).collect();
        let (name, into, from) = (self.name, into.join(", "), from.join(", "));
        format!("INSERT INTO {name} ({into}) SELECT {from} FROM strongroom_old_{name} ORDER BY rowid")
    }

    fn restore_ids(&self) -> [String; 2] {
        let (name, old) = (self.name, format!("strongroom_old_ids WHERE name = '{}'", self.name));
        [
            format!("DELETE FROM sqlite_sequence WHERE name = '{name}' AND EXISTS (SELECT 1 FROM {old})"),
            format!("INSERT INTO sqlite_sequence (name, seq) SELECT name, seq FROM {old}"),
        ]
    }
}

impl Object {
    /// Whether an index or trigger of the old table is made again. A unique index on the name alone is not, since names
    /// are unique within their namespace; nor is a trigger that writes to the vault's own tables: it would alter records
    /// behind the vault's back, and they would be refused.
    fn stays(&self) -> bool {
        let sql = self.sql.to_ascii_lowercase();
        // What the schema table says need not be what it is: the host runs the first statement of a text and no other,
        // and that has to be of this kind.
        let words: Vec<&str> = sql.split_ascii_whitespace().take(3).collect();
        let is_what_it_says = match self.kind.as_str() {
            "index" => matches!(words.as_slice(), ["create", "index", ..] | ["create", "unique", "index"]),
            _ => matches!(words.as_slice(), ["create", "trigger", ..]),
        };
        if !is_what_it_says {
            return false;
        }
        if self.kind == "index" {
            // An expression has no name of a column: `lower(name)`.
            let on_name = match self.columns.as_slice() {
                [Some(column)] => column.eq_ignore_ascii_case("name"),
                [None] => sql.split_once('(').is_some_and(|(_, indexed)| indexed.contains("name")),
                _ => false,
            };
            return !(on_name && sql.contains("unique"));
        }
        if sql.contains("--") || sql.contains("/*") {
            return false; // A comment can stand between a verb and its table.
        }
        let unquoted: String = sql.chars().filter(|c| !matches!(c, '"' | '`' | '[' | ']' | '\'')).collect();
        let separate = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let words: Vec<&str> = unquoted.split(separate).filter(|word| !word.is_empty()).collect();
        // A table follows its verb at once (`UPDATE ON secrets`, the trigger's own event, has a word between), but for
        // the words of a conflict clause.
        !words.windows(2).any(|pair| {
            let [verb, table] = pair else { return false };
            let writes = matches!(*verb, "update" | "into" | "rollback" | "abort" | "fail" | "ignore" | "replace");
            writes && is_vault_table(table)
        }) && !words.windows(3).any(|three| matches!(three, ["delete", "from", table] if is_vault_table(table)))
    }
}

fn is_vault_table(name: &str) -> bool {
    NEEDED.iter().any(|(table, _)| *table == name)
}

/// Whether a declared type can be written out again: words, and numbers in brackets. SQLite takes any text for a type if
/// it is quoted, and gives it back without the quotes.
fn is_plain_type(declared: &str) -> bool {
    const CLAUSES: [&str; 11] = [
        "references",
        "check",
        "default",
        "not",
        "null",
        "unique",
        "primary",
        "collate",
        "generated",
        "as",
        "constraint",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ',' | '.' | '+' | '-');
    let separate = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let no_clause = |word: &str| !CLAUSES.iter().any(|clause| word.eq_ignore_ascii_case(clause));
    declared.chars().all(plain) && !declared.contains("--") && declared.split(separate).all(no_clause)
}

fn converted(column: &Column) -> String {
    let name = quoted(&column.name);
    if column.name.eq_ignore_ascii_case("accessed_count") {
        return format!("max(coalesce(CAST({name} AS INTEGER), 0), 0)");
    }
    if !INSTANTS.iter().any(|instant| instant.eq_ignore_ascii_case(&column.name)) {
        return name;
    }
    // Programs wrote text, seconds or milliseconds. What cannot be read is kept as it is.
    let iso = |operand: &str, modifier: &str| format!("strftime('%Y-%m-%dT%H:%M:%fZ', {operand}{modifier})");
    let (millis, seconds) = (iso(&format!("{name} / 1000.0"), ", 'unixepoch'"), iso(&name, ", 'unixepoch'"));
    format!(
        "coalesce(CASE WHEN typeof({name}) IN ('integer', 'real') AND {name} > 100000000000 THEN {millis} \
         WHEN typeof({name}) IN ('integer', 'real') THEN {seconds} ELSE {} END, {name})",
        iso(&name, "")
    )
}

/// The columns of one of our tables, read off the schema itself.
fn our_columns(table: &str) -> Vec<String> {
    let start = format!("CREATE TABLE {table} (");
    let statement = split(SCHEMA).find(|sql| sql.starts_with(&start)).unwrap_or_default();
    let first_words = statement.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    first_words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_owned).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

pub(super) fn unsupported(message: &str) -> Error {
    Error::new(ErrorCode::Unsupported, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(sql: &str) -> Object {
        Object { kind: "trigger".into(), table: "secrets".into(), sql: sql.into(), columns: Vec::new() }
    }

    #[test]
    fn triggers_that_write_to_the_vault_s_tables_are_left_out_and_others_stay() {
        for (sql, stays) in [
            ("CREATE TRIGGER t AFTER UPDATE ON secrets BEGIN INSERT INTO log SELECT name FROM secrets; END", true),
            ("CREATE TRIGGER t AFTER DELETE ON secrets BEGIN DELETE FROM secrets_log WHERE id = OLD.id; END", true),
            ("CREATE TRIGGER t AFTER UPDATE ON secrets BEGIN UPDATE \"secrets\" SET updated_at = 1; END", false),
            (
                "CREATE TRIGGER t AFTER INSERT ON secrets BEGIN INSERT INTO secrets_audit(action) VALUES ('set'); END",
                false,
            ),
            ("CREATE TRIGGER t AFTER DELETE ON secrets BEGIN DELETE FROM secrets_audit; END", false),
            ("CREATE TRIGGER t AFTER UPDATE ON secrets BEGIN UPDATE /*x*/ secrets SET name = 1; END", false),
            ("CREATE TABLE t (x); CREATE TRIGGER t AFTER UPDATE ON secrets BEGIN SELECT 1; END", false),
            ("CREATE TRIGGER t AFTER UPDATE ON secrets BEGIN UPDATE OR IGNORE secrets SET name = 1; END", false),
        ] {
            assert_eq!(trigger(sql).stays(), stays, "{sql}");
        }
    }

    #[test]
    fn our_columns_are_read_off_the_schema() {
        let columns = our_columns("secrets");
        assert_eq!(columns.first().map(String::as_str), Some("id"));
        assert_eq!(columns.len(), 20);
        assert_eq!(our_columns("secrets_audit").len(), 21);
    }

    #[test]
    fn types_are_written_out_again_only_when_they_are_types() {
        for plain in ["", "TEXT", "varchar(255)", "DECIMAL(10, 2)", "UNSIGNED BIG INT"] {
            assert!(is_plain_type(plain), "{plain}");
        }
        for other in
            ["INT; DROP TABLE users", "INT REFERENCES users", "INT DEFAULT 1", "INT CHECK (0)", "a\"b", "INT --"]
        {
            assert!(!is_plain_type(other), "{other}");
        }
    }

    #[test]
    fn a_column_of_a_name_that_the_vault_needs_is_refused() {
        for taken in ["version", "STATE", "data", "uid", "revision", "record_mac", "Expires_At", "rotation_due"] {
            let column = |name: &str| json!({ "table": "secrets", "name": name, "type": "TEXT", "required": 0, "default": null, "hidden": 0 });
            let columns = [column("name"), column("value_encrypted"), column(taken)];
            let inspection = json!({ "current": 0, "objects": [], "foreign_keys": [], "columns": columns });
            let error = plan_opening(&inspection.to_string(), None).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported);
            assert!(error.message().contains(taken), "{error}");
        }
    }

    #[test]
    fn an_older_schema_is_upgraded_unless_another_program_has_a_column_of_a_new_name() {
        let plan = |table: &str, name: &str| {
            let column =
                json!({ "table": table, "name": name, "type": "", "required": 0, "default": null, "hidden": 0 });
            let inspection = json!({ "current": 1, "objects": [], "foreign_keys": [], "columns": [column] });
            plan_opening(&inspection.to_string(), Some(upgrade::FROM))
        };
        for (table, name) in [("secrets", "version"), ("secrets", "rule"), ("secrets_audit", "expires_at")] {
            assert!(plan(table, name).unwrap().contains(r#""state":"upgrade""#), "{table} {name}");
        }
        for (table, name) in [("secrets", "EXPIRES_AT"), ("secrets", "rotation_due"), ("secrets_audit", "rule")] {
            let error = plan(table, name).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Unsupported);
            assert!(error.message().contains(name) && error.message().contains("rename"), "{error}");
        }
    }

    #[test]
    fn a_newer_schema_and_a_foreign_table_are_refused() {
        let of = |json: &str, version| plan_opening(json, version).unwrap_err().code();
        let newer = r#"{"current": 1, "objects": [], "columns": [], "foreign_keys": []}"#;
        assert_eq!(of(newer, Some(SCHEMA_VERSION + 1)), ErrorCode::Unsupported);
        let foreign = r#"{"current": 0, "objects": [], "foreign_keys": [], "columns":
            [{"table": "secrets", "name": "key", "type": "TEXT", "required": 0, "default": null, "hidden": 0}]}"#;
        assert_eq!(of(foreign, None), ErrorCode::Unsupported);
    }
}
