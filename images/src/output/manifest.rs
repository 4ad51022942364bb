//! The list of what an image is made of, as SPDX 2.3 in JSON.
//!
//! netlab does not read licences. Each package's entry says where its own statement is: the
//! `copyright` file in the package, which Debian demands of every package.

use serde::Serialize;

use crate::lock::{Lock, LockedPackage};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    spdx_id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: CreationInfo,
    packages: Vec<Package<'a>>,
    relationships: Vec<Relationship>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CreationInfo {
    created: String,
    creators: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Package<'a> {
    #[serde(rename = "SPDXID")]
    spdx_id: String,
    name: &'a str,
    version_info: &'a str,
    package_file_name: &'a str,
    download_location: String,
    files_analyzed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    homepage: Option<&'a str>,
    license_concluded: &'static str,
    license_declared: &'static str,
    license_comments: String,
    copyright_text: &'static str,
    supplier: &'static str,
    checksums: [Checksum<'a>; 1],
    external_refs: [Reference; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checksum<'a> {
    algorithm: &'static str,
    checksum_value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    reference_category: &'static str,
    reference_type: &'static str,
    reference_locator: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Relationship {
    spdx_element_id: &'static str,
    relationship_type: &'static str,
    related_spdx_element: String,
}

/// Writes the manifest. Its date is that of the release's index, not of the build, so that equal
/// locks give equal bytes; `key` names the image.
pub fn manifest(lock: &Lock, key: &str) -> Result<Vec<u8>, serde_json::Error> {
    let packages: Vec<Package<'_>> =
        lock.packages.iter().map(|package| describe(lock, package)).collect();
    let relationships = packages
        .iter()
        .map(|package| Relationship {
            spdx_element_id: "SPDXRef-DOCUMENT",
            relationship_type: "DESCRIBES",
            related_spdx_element: package.spdx_id.clone(),
        })
        .collect();
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        spdx_id: "SPDXRef-DOCUMENT",
        name: format!("netlab guest image {key}"),
        document_namespace: format!("urn:netlab:image:{key}"),
        creation_info: CreationInfo { created: iso(&lock.date), creators: ["Tool: netlab"] },
        packages,
        relationships,
    };
    let mut bytes = serde_json::to_vec_pretty(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn describe<'a>(lock: &Lock, package: &'a LockedPackage) -> Package<'a> {
    let LockedPackage { name, version, architecture, filename, sha256, .. } = package;
    Package {
        spdx_id: format!("SPDXRef-{}", identifier(name)),
        name,
        version_info: version,
        package_file_name: filename,
        download_location: format!("{}{filename}", crate::archive::snapshot_mirror(&lock.snapshot)),
        files_analyzed: false,
        homepage: package.homepage.as_deref(),
        license_concluded: "NOASSERTION",
        license_declared: "NOASSERTION",
        license_comments: format!("usr/share/doc/{name}/copyright in the package"),
        copyright_text: "NOASSERTION",
        supplier: "Organization: Debian",
        checksums: [Checksum { algorithm: "SHA256", checksum_value: sha256 }],
        external_refs: [Reference {
            reference_category: "PACKAGE-MANAGER",
            reference_type: "purl",
            reference_locator: format!(
                "pkg:deb/debian/{}@{}?arch={architecture}&distro={}",
                encoded(name),
                encoded(version),
                lock.release
            ),
        }],
    }
}

/// SPDX identifiers have letters, digits, dots and hyphens; `+` is the only other one in names.
fn identifier(name: &str) -> String {
    name.replace('+', ".plus")
}

/// Package URLs want `+`, `:` and `~` in percent form.
fn encoded(text: &str) -> String {
    text.replace('+', "%2B").replace(':', "%3A").replace('~', "%7E")
}

/// `20261121T091544Z` becomes `2026-11-21T09:15:44Z`.
fn iso(timestamp: &str) -> String {
    let part = |range| timestamp.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0..4),
        part(4..6),
        part(6..8),
        part(9..11),
        part(11..13),
        part(13..15)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_has_its_hash_and_the_place_of_its_licence() {
        let lock = Lock {
            format: 1,
            arch: "amd64".to_owned(),
            release: "trixie".to_owned(),
            version: "13.8".to_owned(),
            date: "20261121T091544Z".to_owned(),
            snapshot: "20261122T091544Z".to_owned(),
            index_sha256: String::new(),
            kernel: "linux".to_owned(),
            packages: vec![LockedPackage {
                name: "libstdc++6".to_owned(),
                version: "1:14.2~rc1+b1".to_owned(),
                architecture: "amd64".to_owned(),
                filename: "pool/a.deb".to_owned(),
                size: 3,
                sha256: "0".repeat(64),
                homepage: Some("https://gcc.test/".to_owned()),
            }],
        };
        let manifest: serde_json::Value =
            serde_json::from_slice(&manifest(&lock, "k").unwrap()).unwrap();
        assert_eq!(manifest["creationInfo"]["created"], "2026-11-21T09:15:44Z");
        let package = &manifest["packages"][0];
        assert_eq!(package["SPDXID"], "SPDXRef-libstdc.plus.plus6");
        assert_eq!(package["checksums"][0]["checksumValue"], "0".repeat(64));
        assert_eq!(package["licenseComments"], "usr/share/doc/libstdc++6/copyright in the package");
        assert_eq!(
            package["externalRefs"][0]["referenceLocator"],
            "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2%7Erc1%2Bb1?arch=amd64&distro=trixie"
        );
        assert_eq!(
            package["downloadLocation"],
            "http://snapshot.debian.org/archive/debian/20261122T091544Z/pool/a.deb"
        );
    }
}
