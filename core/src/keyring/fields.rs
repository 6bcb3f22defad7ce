//! Reading the canonical encoding back: the counterpart of `Encoder`, over octets that nobody has vouched for.

/// Takes fields off a message, one by one. What is not there, or of another type, is `None`; nothing is allocated.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a message of that domain.
    pub(super) fn of(message: &'a [u8], domain: &str) -> Option<Self> {
        let mut fields = Fields(message);
        (fields.octets()? == domain.as_bytes()).then_some(fields)
    }

    pub(super) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match self.0.split_first()? {
            (0, rest) => {
                self.0 = rest;
                Some(None)
            }
            (1, rest) => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
                let (octets, rest) = rest.split_at_checked(length)?;
                self.0 = rest;
                Some(Some(octets))
            }
            _ => None,
        }
    }

    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        self.optional()?
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.octets()?.try_into().ok()
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.octets()?).ok()
    }

    pub(super) fn integer(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// What stands behind the fields that were taken.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Encoder;

    #[test]
    fn what_was_encoded_is_read_back() {
        let mut encoder = Encoder::new("d");
        encoder.optional(None).text("").integer(258).field(&[1, 2, 3]);
        let mut message = encoder.finish();
        message.push(9);
        assert!(Fields::of(&message, "e").is_none());
        let mut fields = Fields::of(&message, "d").unwrap();
        assert_eq!(fields.optional(), Some(None));
        assert_eq!((fields.text(), fields.integer()), (Some(""), Some(258)));
        assert_eq!(fields.array(), Some([1, 2, 3]));
        assert_eq!(fields.rest(), [9]);
    }

    #[test]
    fn what_is_cut_or_claims_to_be_longer_than_it_is_ends_the_reading() {
        let long = [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 7];
        let beyond = [1, 0, 0, 0, 0, 0, 0, 0, 2, 7];
        for octets in [&[][..], &[2], &[1], &[1, 0, 0, 0], &long, &beyond] {
            assert_eq!(Fields(octets).optional(), None, "{octets:?}");
        }
        assert_eq!(Fields(&[0]).octets(), None);
        assert_eq!(Fields(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff]).text(), None);
        assert_eq!(Fields(&[1, 0, 0, 0, 0, 0, 0, 0, 1, 7]).integer(), None);
    }
}
