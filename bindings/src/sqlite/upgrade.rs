//! From the tables of an earlier version to ours, every record as it was.

use super::adopt::{Column, unsupported};
use super::{expand, split};
use strongroom::Result;

/// The version that is upgraded from.
pub(super) const FROM: u64 = 1;

const UPGRADE: &str = include_str!("../../sql/sqlite/upgrade_1.sql");

/// The columns that version 1 did not have. An adopted table may have one of that name, which another program fills.
const NEW: [(&str, &str); 3] = [("secrets", "rotation_due"), ("secrets", "expires_at"), ("secrets_audit", "rule")];

/// The statements of the upgrade. Errors: `UNSUPPORTED` where a new column has the name of another program's.
pub(super) fn statements(columns: &[Column]) -> Result<Vec<String>> {
    let is_new = |column: &&Column| {
        NEW.iter().any(|(table, name)| column.table == *table && column.name.eq_ignore_ascii_case(name))
    };
    if let Some(Column { table, name, .. }) = columns.iter().find(is_new) {
        return Err(unsupported(&format!(
            "the table {table} has a column {name} of another program, a name that the vault needs for itself now: rename the column first"
        )));
    }
    Ok(split(UPGRADE).map(|sql| expand(&sql)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_ends_where_a_fresh_database_begins() {
        let upgraded = statements(&[]).unwrap();
        for statement in split(super::super::SCHEMA).filter(|sql| sql.starts_with("CREATE INDEX strongroom_")) {
            assert!(upgraded.contains(&statement), "{statement}");
        }
        assert!(upgraded.last().unwrap().ends_with(&format!("version = {}", super::super::SCHEMA_VERSION)));
    }
}
