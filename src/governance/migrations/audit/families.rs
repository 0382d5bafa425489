//! Naming families: what the leading pattern of a migration's name means.

use serde::Deserialize;

/// A family of names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// How names of it begin: `N`s stand for a number, `X`s for as many hexadecimal digits or
    /// more, everything else for itself.
    pub pattern: String,
    /// One word for it.
    pub name: String,
    /// What being in it means.
    #[serde(default)]
    pub meaning: String,
    /// A missing number is worth a note.
    #[serde(default)]
    pub gaps: bool,
    /// A number that is used twice is worth a warning.
    #[serde(default)]
    pub unique: bool,
}

/// Which families there are.
#[derive(Clone, Debug)]
pub struct Families(Vec<Family>);

/// The file that declares more families.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// The contract's own families count too.
    #[serde(default = "yes")]
    builtin: bool,
    #[serde(default)]
    family: Vec<Family>,
}

fn yes() -> bool {
    true
}

/// The contract's families: pattern, word, meaning, whether gaps count, whether numbers are unique.
const BUILTIN: &[(&str, &str, &str, bool, bool)] = &[
    ("NNN_", "sequential", "Sequential", true, true),
    ("mNN_", "milestone", "Milestone-bound", false, false),
    ("sN_", "truth-gates", "S-phase (truth gates)", true, false),
    ("pb_sN_", "post-baseline", "Post-baseline fix", true, false),
    ("cN_", "compliance", "C-phase (compliance)", true, false),
    ("wN_", "workload", "W-phase (workload)", true, false),
];

impl Default for Families {
    fn default() -> Families {
        Families(
            BUILTIN
                .iter()
                .map(|&(pattern, name, meaning, gaps, unique)| Family {
                    pattern: pattern.to_owned(),
                    name: name.to_owned(),
                    meaning: meaning.to_owned(),
                    gaps,
                    unique,
                })
                .collect(),
        )
    }
}

/// Where a name belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Naming {
    /// The family, by its place in the list.
    pub family: usize,
    /// The number in the pattern.
    pub number: Option<u64>,
    /// What of the name the pattern took, `116_` for example.
    pub prefix: String,
    /// A second pattern right behind the first: its family and what it took.
    pub second: Option<(usize, String)>,
}

impl Families {
    /// The families of a TOML file, in front of the contract's own.
    ///
    /// # Errors
    /// What is wrong with the file, for people.
    pub fn of_toml(text: &str) -> Result<Families, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        for family in &file.family {
            if !family.pattern.chars().any(|c| !c.is_whitespace()) || family.name.is_empty() {
                return Err("a family needs a pattern and a name".to_owned());
            }
        }
        let mut families = file.family;
        if file.builtin {
            families.extend(Families::default().0);
        }
        Ok(Families(families))
    }

    /// Each family.
    pub fn all(&self) -> &[Family] {
        &self.0
    }

    /// A family by its place.
    pub fn get(&self, place: usize) -> Option<&Family> {
        self.0.get(place)
    }

    /// Where a name belongs: the leading pattern decides.
    pub fn of(&self, name: &str) -> Option<Naming> {
        let (family, number, taken) = self.leading(name)?;
        let rest = name.get(taken..).unwrap_or_default();
        let second = self
            .leading(rest)
            .map(|(second, _, length)| (second, rest.get(..length).unwrap_or_default().to_owned()));
        let prefix = name.get(..taken).unwrap_or_default().to_owned();
        Some(Naming { family, number, prefix, second })
    }

    fn leading(&self, name: &str) -> Option<(usize, Option<u64>, usize)> {
        self.0.iter().enumerate().find_map(|(place, family)| {
            let (number, taken) = take(&family.pattern, name)?;
            // a name is more than its pattern
            (taken < name.len()).then_some((place, number, taken))
        })
    }
}

/// What a pattern takes of the beginning of a name: the first number in it, and how many bytes.
fn take(pattern: &str, name: &str) -> Option<(Option<u64>, usize)> {
    let (mut number, mut taken) = (None, 0);
    let mut pattern = pattern.chars().peekable();
    let mut first = true;
    while let Some(wanted) = pattern.next() {
        let rest = name.get(taken..)?;
        if wanted != 'N' && wanted != 'X' {
            taken += rest.chars().next().filter(|c| *c == wanted)?.len_utf8();
            first = false;
            continue;
        }
        let mut width = 1;
        while pattern.next_if_eq(&wanted).is_some() {
            width += 1;
        }
        let digit = |c: char| match wanted {
            'N' => c.is_ascii_digit(),
            _ => c.is_ascii_digit() || ('a'..='f').contains(&c),
        };
        let length = rest.chars().take_while(|c| digit(*c)).count();
        // `NNN` at the front is three digits, and up to five once there are so many
        let least = if first || wanted == 'X' { width } else { 1 };
        if length < least || (wanted == 'N' && length > width + 2) {
            return None;
        }
        if wanted == 'N' && number.is_none() {
            number = rest.get(..length)?.parse().ok();
        }
        taken += length;
        // `2026_01_21_…` is a date
        if first && wanted == 'N' && length > width && is_date(name.get(taken..)?) {
            return None;
        }
        first = false;
    }
    Some((number, taken))
}

/// Whether what follows a year goes on as a date.
fn is_date(rest: &str) -> bool {
    matches!(rest.as_bytes(), [b'_' | b'-', b'0'..=b'9', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<(String, Option<u64>, Option<String>)> {
        let families = Families::default();
        let naming = families.of(name)?;
        let family = families.get(naming.family)?.name.clone();
        Some((family, naming.number, naming.second.map(|(_, prefix)| prefix)))
    }

    #[test]
    fn the_leading_pattern_decides_and_a_second_is_noted() {
        let is = |name, family: &str, number| {
            assert_eq!(of(name), Some((family.to_owned(), Some(number), None)), "{name}");
        };
        is("096_incidents_domain_model", "sequential", 96);
        is("m10_recovery_enhancements", "milestone", 10);
        is("s6_trace_immutability", "truth-gates", 6);
        is("pb_s2_crashed_status", "post-baseline", 2);
        is("c2_prediction_hardening", "compliance", 2);
        is("w2_audit_events", "workload", 2);
        let second = of("116_w2_audit_events").unwrap();
        assert_eq!(second, ("sequential".to_owned(), Some(116), Some("w2_".to_owned())));
    }

    #[test]
    fn what_is_in_no_family() {
        for name in [
            "add_users",
            "12_x",
            "20260121_x",
            "2026_01_21_x",
            "096",
            "096_",
            "s_trace",
            "PB_s2_x",
            "x96_y",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn families_are_declared_in_toml() {
        let text = "[[family]]\npattern = \"XXXXXXXXXXXX_\"\nname = \"hash\"\n\
                    [[family]]\npattern = \"NNNN_NN_NN_\"\nname = \"dated\"\nmeaning = \"by day\"\n";
        let families = Families::of_toml(text).unwrap();
        let name = |file| families.get(families.of(file).unwrap().family).unwrap().name.clone();
        assert_eq!(name("0a1b2c3d4e5f_add_users"), "hash");
        assert_eq!(name("2026_01_21_add_users"), "dated");
        assert_eq!(name("096_x"), "sequential");
        let alone = Families::of_toml(&format!("builtin = false\n{text}")).unwrap();
        assert_eq!(alone.of("096_x"), None);
        assert!(Families::of_toml("[[family]]\nname = \"x\"").is_err());
        assert!(Families::of_toml("[[family]]\npattern = \"a\"\nname = \"x\"\ngap = 1").is_err());
    }
}
