//! Indexes as a hostile mirror would serve them, from a small HTTP server on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use lzma_rust2::{XzOptions, XzWriter};
use pgp::composed::SignedSecretKey;

use super::*;
use crate::archive::signing;

const LIST: &str = "main/binary-amd64/Packages.xz";

/// What a mirror serves, and what is known before it is asked.
struct Mirror {
    release: String,
    list: Vec<u8>,
    signer: SignedSecretKey,
    known: SignedSecretKey,
    seen: &'static str,
}

fn packed(text: &str) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(0)).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer.finish().unwrap()
}

fn honest() -> Mirror {
    let digest = "0".repeat(64);
    let list = packed(&format!(
        "Package: dash\nVersion: 0.5\nArchitecture: amd64\nFilename: pool/dash.deb\nSize: 9\n\
         SHA256: {digest}\n"
    ));
    let signer = signing::key();
    let listed = hex::encode(Sha256::digest(&list));
    let release = format!(
        "Codename: trixie\nDate: Sat, 21 Nov 2026 09:15:44 UTC\nSHA256:\n {listed} {} {LIST}\n",
        list.len()
    );
    Mirror { release, list, known: signer.clone(), signer, seen: "20261121T091544Z" }
}

/// Serves files by their paths on a thread of its own, and returns the address.
fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let path = head[0].split(' ').nth(1).unwrap();
            let body = &files[path];
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .unwrap();
            stream.write_all(body).unwrap();
        }
    });
    address
}

/// What comes of asking the mirror; its address is left out of the words.
fn ask(mirror: &Mirror) -> Result<usize, String> {
    let index = signing::signed_text(&mirror.signer, &mirror.release);
    let folder = "/dists/trixie/";
    let files = BTreeMap::from([
        (format!("{folder}InRelease"), index.into_bytes()),
        (format!("{folder}{LIST}"), mirror.list.clone()),
    ]);
    let address = serve(files);
    let seen = Seen { date: mirror.seen.to_owned(), lock: "my.toml".to_owned() };
    let trust = Trust { keys: &[mirror.known.to_public_key()], now: SystemTime::now(), seen };
    let recipe = Recipe::load().unwrap();
    let fetched = fetch_index(&address, Arch::Amd64, &recipe, &trust);
    let folder = format!("{address}dists/trixie/");
    fetched.map(|it| it.packages.len()).map_err(|error| error.to_string().replace(&folder, ""))
}

#[test]
fn an_index_and_its_list_are_taken_if_they_are_signed_listed_and_not_older_than_the_last() {
    assert_eq!(ask(&honest()), Ok(1));
}

#[test]
fn indexes_of_a_hostile_mirror_are_refused_in_words() {
    let edited = |edit: &dyn Fn(&mut Mirror)| {
        let mut mirror = honest();
        edit(&mut mirror);
        ask(&mirror).unwrap_err()
    };
    // An index of the past, whose signature is as good as ever.
    let replayed = edited(&|mirror| mirror.seen = "20261121T091545Z");
    assert_eq!(
        replayed,
        "the index InRelease is of 20261121T091544Z, older than that of 20261121T091545Z which \
         `my.toml` is made from"
    );
    // A key that is not ours, be its signature ever so good.
    let stranger = edited(&|mirror| mirror.known = signing::key());
    assert!(stranger.starts_with("the index InRelease is signed by no known key"), "{stranger}");
    // A list that the index does not vouch for, by its bytes or at all.
    let altered = edited(&|mirror| mirror.list = packed("Package: evil\n"));
    assert!(altered.starts_with(&format!("{LIST} is not the file that was locked: ")), "{altered}");
    let unlisted = edited(&|mirror| mirror.release = mirror.release.replace(LIST, "main/other"));
    assert_eq!(unlisted, format!("InRelease is not readable: it does not list `{LIST}`"));
    // Another release under this one's name.
    let other = edited(&|mirror| mirror.release = mirror.release.replace("trixie", "sid"));
    assert_eq!(other, "the index InRelease is of the release `sid`, wanted is `trixie`");
    let expired = edited(&|mirror| {
        mirror.release.insert_str(0, "Valid-Until: Sat, 21 Nov 2026 09:15:45 UTC\n");
    });
    assert!(expired.starts_with("the index InRelease was valid until"), "{expired}");
}

#[test]
fn the_newer_of_the_lock_compiled_in_and_the_one_to_be_replaced_counts() {
    let recipe = Recipe::load().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("my.toml");
    let seen = || seen(Arch::Amd64, &recipe, &out).unwrap();
    let ours = seen();
    assert_eq!(ours.lock, "images/lock/amd64.toml");
    let put = |text: &str| {
        std::fs::File::create(&out).unwrap().write_all(text.as_bytes()).unwrap();
    };
    put("no lock");
    assert_eq!(seen().date, ours.date);
    let text = Lock::load(Arch::Amd64, &recipe.release, None).unwrap().text().unwrap();
    put(&text.replace(&ours.date, "20200101T000000Z"));
    assert_eq!(seen().date, ours.date);
    put(&text.replace(&ours.date, "20990101T000000Z"));
    assert_eq!(
        (seen().date.as_str(), seen().lock),
        ("20990101T000000Z", out.display().to_string())
    );
}
