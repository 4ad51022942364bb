//! The list of a release's packages (`Packages`).

use super::control::{Stanza, stanzas};
use super::relation::{self, Group};
use crate::lock::is_sha256;

/// A package as the index describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version as Debian writes it.
    pub version: String,
    /// `all` or an architecture.
    pub architecture: String,
    /// What it needs before or when it runs.
    pub depends: Vec<Group>,
    /// Names that it stands in for.
    pub provides: Vec<Group>,
    /// Path below the mirror's root.
    pub filename: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Where its authors are.
    pub homepage: Option<String>,
}

/// Parses the whole list; the error is the name of the package whose stanza is malformed.
pub fn parse(text: &str) -> Result<Vec<Package>, String> {
    stanzas(text)
        .map(|stanza| {
            parse_stanza(&stanza).ok_or_else(|| {
                stanza.get("Package").unwrap_or("a stanza without a name").to_owned()
            })
        })
        .collect()
}

fn parse_stanza(stanza: &Stanza<'_>) -> Option<Package> {
    let owned = |field| stanza.get(field).map(str::to_owned);
    let relations = |field| relation::parse(stanza.get(field).unwrap_or_default());
    let mut depends = relations("Pre-Depends")?;
    depends.extend(relations("Depends")?);
    Some(Package {
        name: owned("Package")?,
        version: owned("Version")?,
        architecture: owned("Architecture")?,
        depends,
        provides: relations("Provides")?,
        filename: owned("Filename")?,
        size: stanza.get("Size")?.parse().ok()?,
        sha256: owned("SHA256").filter(|digest| is_sha256(digest))?,
        homepage: owned("Homepage"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stanza_becomes_a_package_and_a_broken_one_is_named() {
        let digest = "0".repeat(64);
        let text = format!(
            "Package: dash\nVersion: 0.5.12-12\nArchitecture: amd64\nPre-Depends: libc6 (>= 2.38)\n\
             Depends: dpkg\nFilename: pool/d/dash.deb\nSize: 98\nSHA256: {digest}\n"
        );
        let packages = parse(&text).unwrap();
        assert_eq!(packages[0].name, "dash");
        assert_eq!(packages[0].depends.len(), 2);
        assert_eq!(packages[0].homepage, None);
        assert_eq!(parse(&text.replace("98", "many")).unwrap_err(), "dash");
    }

    #[test]
    fn any_text_is_a_list_or_a_broken_stanza() {
        bolero::check!(name = "packages").for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for package in parse(&text).unwrap_or_default() {
                assert!(!package.name.is_empty() && is_sha256(&package.sha256));
                for relation in package.depends.iter().chain(&package.provides).flatten() {
                    let admits = |bound: &relation::Bound| bound.admits(&package.version);
                    let _admitted = relation.bound.as_ref().is_none_or(admits);
                }
            }
        });
    }
}
