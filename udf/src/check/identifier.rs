//! Entity identifiers (R016 to R019).

use super::context::{At, Context};
use super::seal::is_zero;
use crate::general::EntityIdentifier;
use crate::read::ReadAt;
use crate::revision::Revision;

/// What an entity identifier should be: the text, and which suffix follows it (UDF 2.1.5).
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected<'t> {
    /// The domain of UDF.
    Domain,
    /// One that UDF defines.
    Udf(&'t str),
    /// The contents of a partition.
    Contents(&'t str),
    /// Whoever wrote the structure.
    Developer,
    /// Anybody, or nobody.
    Application,
}

/// Operating systems by class and the highest identifier, and the revision that brought them (UDF 6.3).
const OPERATING_SYSTEMS: [(u8, u8, Revision); 12] = [
    (0, u8::MAX, Revision::V1_02),
    (1, 0, Revision::V1_02),
    (2, 0, Revision::V1_02),
    (3, 0, Revision::V1_02),
    (3, 1, Revision::V2_50),
    (4, 7, Revision::V1_02),
    (4, 8, Revision::V2_60),
    (5, 0, Revision::V1_02),
    (6, 0, Revision::V1_02),
    (7, 0, Revision::V2_01),
    (8, 0, Revision::V2_01),
    (9, 0, Revision::V2_01),
];

/// Flags of a domain's suffix that have a meaning: hard and soft write protection (UDF 2.1.5.3).
const DOMAIN_FLAGS: u8 = 3;

impl<R: ReadAt> Context<'_, R> {
    pub(super) fn identifier(
        &mut self,
        at: At,
        field: &str,
        identifier: &EntityIdentifier,
        expected: Expected<'_>,
    ) {
        if identifier.flags != 0 {
            self.error(16, at, format_args!("{field}: flags are {:#04x}, must be 0", identifier.flags));
        }
        match expected {
            Expected::Domain => {
                self.known(at, field, identifier, EntityIdentifier::DOMAIN);
                self.of_revision(at, field, identifier);
                let [_, _, flags, rest @ ..] = &identifier.suffix;
                if flags & !DOMAIN_FLAGS != 0 || !is_zero(rest) {
                    self.error(16, at, format_args!("{field}: reserved parts of the suffix are not 0"));
                }
            }
            Expected::Udf(text) => {
                self.known(at, field, identifier, text);
                self.of_revision(at, field, identifier);
                let [_, _, class, system, rest @ ..] = identifier.suffix;
                self.operating_system(at, field, class, system);
                if !is_zero(&rest) {
                    self.error(16, at, format_args!("{field}: reserved parts of the suffix are not 0"));
                }
            }
            Expected::Contents(text) => {
                if !identifier.is(text) {
                    let found = identifier.text_bytes().escape_ascii();
                    self.error(48, at, format_args!("{field} is \"{found}\", must be \"{text}\""));
                }
            }
            Expected::Developer => self.developer(at, field, identifier),
            Expected::Application => self.private(at, field, identifier),
        }
    }

    fn known(&mut self, at: At, field: &str, identifier: &EntityIdentifier, text: &str) {
        if !identifier.is(text) {
            let found = identifier.text_bytes().escape_ascii();
            self.error(16, at, format_args!("{field} is \"{found}\", must be \"{text}\""));
        }
    }

    fn of_revision(&mut self, at: At, field: &str, identifier: &EntityIdentifier) {
        let (found, right) = (identifier.revision_number(), self.revision_number);
        if found != right {
            self.error(
                16,
                at,
                format_args!("{field}: revision is {found:#06x}, that of the volume {right:#06x}"),
            );
        }
    }

    fn developer(&mut self, at: At, field: &str, identifier: &EntityIdentifier) {
        if identifier.text_bytes().is_empty() {
            self.error(17, at, format_args!("{field} is empty"));
            return;
        }
        self.private(at, field, identifier);
        let [class, system, ..] = identifier.suffix;
        self.operating_system(at, field, class, system);
    }

    /// An identifier that is anybody's but UDF's.
    fn private(&mut self, at: At, field: &str, identifier: &EntityIdentifier) {
        let text = identifier.text_bytes();
        if text.starts_with(b"*UDF") || text.starts_with(b"*OSTA") {
            let found = text.escape_ascii();
            self.error(18, at, format_args!("{field} is \"{found}\", a name that only UDF may give"));
        }
    }

    fn operating_system(&mut self, at: At, field: &str, class: u8, system: u8) {
        let known = OPERATING_SYSTEMS.iter().any(|(known_class, highest, since)| {
            class == *known_class && system <= *highest && self.revision >= *since
        });
        if !known {
            let revision = self.revision;
            self.error(
                19,
                at,
                format_args!("{field}: no operating system {class}/{system} in UDF {revision}"),
            );
        }
    }
}

/// Whether the system that wrote a structure knows no owners of files (UDF 3.3.3.1): DOS, OS/2, Mac OS before X, Windows.
pub(super) fn knows_no_owners(developer: &EntityIdentifier) -> bool {
    let [class, system, ..] = developer.suffix;
    matches!((class, system), (1 | 2 | 5 | 6 | 9, _) | (3, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BlockSize, Sector};
    use std::{string::ToString, vec};

    #[test]
    fn each_kind_has_its_suffix() {
        let id = EntityIdentifier::new;
        let domain = EntityIdentifier::DOMAIN;
        for (identifier, expected, rules) in [
            (id(domain, [1, 2, 0, 0, 0, 0, 0, 0]), Expected::Domain, ""),
            (id(domain, [1, 2, 3, 0, 0, 0, 0, 0]), Expected::Domain, ""),
            (id(domain, [1, 2, 4, 0, 0, 0, 0, 0]), Expected::Domain, "R016"),
            (id(domain, [0, 2, 0, 0, 0, 0, 0, 0]), Expected::Domain, "R016"),
            (id("*other", [1, 2, 0, 0, 0, 0, 0, 0]), Expected::Domain, "R016"),
            (id("*UDF x", [1, 2, 4, 5, 0, 0, 0, 0]), Expected::Udf("*UDF x"), ""),
            (id("*UDF x", [1, 2, 4, 5, 0, 0, 0, 1]), Expected::Udf("*UDF x"), "R016"),
            (id("*UDF x", [1, 2, 4, 8, 0, 0, 0, 0]), Expected::Udf("*UDF x"), "R019"),
            (id("*me", [4, 5, 1, 2, 3, 4, 5, 6]), Expected::Developer, ""),
            (id("*me", [10, 0, 0, 0, 0, 0, 0, 0]), Expected::Developer, "R019"),
            (id("", [4, 5, 0, 0, 0, 0, 0, 0]), Expected::Developer, "R017"),
            (id("*UDF me", [4, 5, 0, 0, 0, 0, 0, 0]), Expected::Developer, "R018"),
            (id("", [0; 8]), Expected::Application, ""),
            (id("*OSTA me", [0; 8]), Expected::Application, "R018"),
            (id("+NSR02", [0; 8]), Expected::Contents("+NSR03"), "R048"),
            (EntityIdentifier { flags: 1, ..id("*me", [0; 8]) }, Expected::Developer, "R016"),
        ] {
            let device = vec![0u8; 4096];
            let mut context = Context::new(&device, BlockSize::B512, Sector(0));
            context.identifier(At::new("test", Sector(9)), "field", &identifier, expected);
            let report = context.findings.into_report();
            let found: vec::Vec<_> = report.findings.iter().map(|finding| finding.rule.to_string()).collect();
            assert_eq!(found.join(" "), rules, "{identifier:?}");
        }
    }
}
