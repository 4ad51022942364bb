//! Downloads against a small HTTP server on this machine that misbehaves on request.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::progress::Silent;

/// What the server does with a request: which bytes of the file it sends, and from where.
#[derive(Clone, Copy)]
struct Reply {
    status: &'static str,
    body: &'static [u8],
    /// Whether a range that is asked for is respected.
    ranges: bool,
    /// Bytes after which the connection breaks.
    breaks_after: usize,
}

const GOOD: &[u8] = b"0123456789 the contents of a package";
const EVIL: &[u8] = b"0123456789 other contents, same size";

const WHOLE: Reply = Reply { status: "200 OK", body: GOOD, ranges: true, breaks_after: usize::MAX };
const ABSENT: Reply = Reply { status: "404 Not Found", body: b"", ..WHOLE };

struct Server {
    address: String,
    /// The `Range` of each request so far; empty without one.
    ranges: Arc<Mutex<Vec<String>>>,
}

/// Answers the first request with the first reply and so on; the last one is repeated.
fn serve(replies: Vec<Reply>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ranges);
    std::thread::spawn(move || {
        for (count, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let range = head.iter().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("range: ").map(str::to_owned)
            });
            seen.lock().unwrap().push(range.clone().unwrap_or_default());
            let reply = replies.get(count).or(replies.last()).unwrap();
            let start = range.filter(|_| reply.ranges && reply.status == WHOLE.status);
            let start: Option<usize> =
                start.map(|range| range["bytes=".len()..range.len() - 1].parse().unwrap());
            let body = &reply.body[start.unwrap_or(0)..];
            let status = match start {
                Some(start) => format!(
                    "206 Partial Content\r\nContent-Range: bytes {start}-{}/{}",
                    reply.body.len() - 1,
                    reply.body.len()
                ),
                None => reply.status.to_owned(),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body[..reply.breaks_after.min(body.len())]).unwrap();
        }
    });
    Server { address, ranges }
}

fn package() -> LockedPackage {
    LockedPackage {
        name: "dash".to_owned(),
        version: "0.5".to_owned(),
        architecture: "amd64".to_owned(),
        filename: "pool/dash.deb".to_owned(),
        size: GOOD.len() as u64,
        sha256: hex::encode(Sha256::digest(GOOD)),
        homepage: None,
    }
}

fn fetch(folder: &Path, servers: &[&Server]) -> Result<(), ArchiveError> {
    let addresses = servers.iter().map(|server| server.address.clone()).collect();
    let mirrors = Mirrors::of(addresses);
    let downloads = Downloads { folder, mirrors: &mirrors };
    fetch_all(&downloads, &[package()], &Silent)
}

fn path(folder: &Path, suffix: &str) -> PathBuf {
    folder.join(format!("{}.{suffix}", package().sha256))
}

fn put(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_package_arrives_whatever_happens_on_the_way() {
    struct Case {
        name: &'static str,
        part: Option<&'static [u8]>,
        cached: Option<&'static [u8]>,
        replies: Vec<Reply>,
        ranges: &'static [&'static str],
    }
    let plain =
        Case { name: "plain", part: None, cached: None, replies: vec![WHOLE], ranges: &[""] };
    let broken = Reply { breaks_after: 7, ..WHOLE };
    let busy = Reply { status: "503 Service Unavailable", body: b"", ..WHOLE };
    let cases = [
        Case { name: "already there", cached: Some(GOOD), ranges: &[], ..plain_copy() },
        Case { name: "altered in the cache", cached: Some(EVIL), ..plain_copy() },
        Case {
            name: "a part is continued",
            part: Some(&GOOD[..10]),
            ranges: &["bytes=10-"],
            ..plain_copy()
        },
        Case {
            name: "a mirror without ranges",
            part: Some(&GOOD[..10]),
            replies: vec![Reply { ranges: false, ..WHOLE }],
            ranges: &["bytes=10-"],
            ..plain_copy()
        },
        Case {
            name: "a part of something else",
            part: Some(b"rubbish"),
            ranges: &["bytes=7-", ""],
            ..plain_copy()
        },
        Case { name: "a part that is too long", part: Some(&[7; 99]), ..plain_copy() },
        Case {
            name: "the connection breaks",
            replies: vec![broken, broken, WHOLE],
            ranges: &["", "bytes=7-", "bytes=14-"],
            ..plain_copy()
        },
        Case {
            name: "a busy mirror",
            replies: vec![busy, WHOLE],
            ranges: &["", ""],
            ..plain_copy()
        },
        plain,
    ];
    fn plain_copy() -> Case {
        Case { name: "", part: None, cached: None, replies: vec![WHOLE], ranges: &[""] }
    }
    for case in cases {
        let folder = tempfile::tempdir().unwrap();
        for (suffix, bytes) in [("part", case.part), ("deb", case.cached)] {
            if let Some(bytes) = bytes {
                put(&path(folder.path(), suffix), bytes);
            }
        }
        let server = serve(case.replies);
        fetch(folder.path(), &[&server]).unwrap();
        assert_eq!(fs::read(path(folder.path(), "deb")).unwrap(), GOOD, "{}", case.name);
        assert!(!path(folder.path(), "part").exists(), "{}", case.name);
        assert_eq!(*server.ranges.lock().unwrap(), case.ranges, "{}", case.name);
    }
}

/// A run that dies leaves a part of whatever length; a connection that breaks does so too.
#[test]
fn a_download_cut_at_any_byte_goes_on_from_there_or_from_the_start() {
    for length in 0..GOOD.len() {
        let whole = |ranges| Reply { ranges, ..WHOLE };
        let cut = |ranges| Reply { breaks_after: length, ..whole(ranges) };
        let rest = if length == 0 { String::new() } else { format!("bytes={length}-") };
        for ranges in [true, false] {
            // Cut by the end of netlab.
            let folder = tempfile::tempdir().unwrap();
            put(&path(folder.path(), "part"), &GOOD[..length]);
            let server = serve(vec![whole(ranges)]);
            fetch(folder.path(), &[&server]).unwrap();
            assert_eq!(*server.ranges.lock().unwrap(), [rest.as_str()]);
            assert_eq!(fs::read(path(folder.path(), "deb")).unwrap(), GOOD);
            // Cut by the end of the connection.
            let folder = tempfile::tempdir().unwrap();
            let server = serve(vec![cut(ranges), whole(ranges)]);
            fetch(folder.path(), &[&server]).unwrap();
            assert_eq!(*server.ranges.lock().unwrap(), ["", rest.as_str()]);
            assert_eq!(fs::read(path(folder.path(), "deb")).unwrap(), GOOD);
        }
    }
}

#[test]
fn an_altered_package_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve(vec![Reply { body: EVIL, ..WHOLE }]);
    let found = hex::encode(Sha256::digest(EVIL));
    assert_eq!(
        fetch(folder.path(), &[&server]).unwrap_err().to_string(),
        format!(
            "{}pool/dash.deb is not the file that was locked: SHA-256 {found} instead of {}",
            server.address,
            package().sha256
        )
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_next_mirror_has_what_the_first_has_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (serve(vec![ABSENT]), serve(vec![WHOLE]));
    let error = fetch(folder.path(), &[&first]).unwrap_err();
    // `.ci/with-lock` looks for these words: it tells a lock that is out of date by them.
    assert_eq!(error.to_string(), format!("the mirror {} does not have dash 0.5", first.address));
    assert!(error.hint().contains("`netlab image lock`"));
    fetch(folder.path(), &[&first, &second]).unwrap();
}

/// A server that nobody listens at.
fn gone() -> Server {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Server { address: format!("http://127.0.0.1:{port}/"), ranges: Arc::default() }
}

#[test]
fn a_mirror_that_does_not_answer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = gone();
    let error = fetch(folder.path(), &[&gone]).unwrap_err().to_string();
    let expected = format!("cannot fetch {}pool/dash.deb: ", gone.address);
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn a_dead_or_altering_mirror_is_passed_over() {
    let altering = serve(vec![Reply { body: EVIL, ..WHOLE }]);
    for first in [&gone(), &altering] {
        let folder = tempfile::tempdir().unwrap();
        fetch(folder.path(), &[first, &serve(vec![WHOLE])]).unwrap();
        assert_eq!(fs::read(path(folder.path(), "deb")).unwrap(), GOOD);
    }
}

#[test]
fn of_several_failures_the_package_that_is_gone_is_told() {
    let (absent, altering) = (serve(vec![ABSENT]), serve(vec![Reply { body: EVIL, ..WHOLE }]));
    let missing = format!("the mirror {} does not have dash 0.5", absent.address);
    let altered = format!("{}pool/dash.deb is not the file that was locked", altering.address);
    for (servers, told) in [
        ([&absent, &gone()], &missing),
        ([&gone(), &absent], &missing),
        ([&altering, &absent], &missing),
        ([&altering, &gone()], &altered),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(folder.path(), &servers).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
}
