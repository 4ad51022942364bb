//! One HTTP client for all of a run: time limits, and answers as netlab thinks of them.

use std::io::Read;
use std::time::Duration;

use ureq::http::{StatusCode, header};

/// How long a mirror may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a mirror may stay silent, before its answer or in the middle of it. There is no limit
/// on the whole: on a slow line the kernel package alone takes minutes.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Fetches files from mirrors; cheap to clone, and shared by all threads of a run.
#[derive(Debug, Clone)]
pub struct Client(ureq::Agent);

/// A mirror's answer to the wish for a file from some byte on.
pub enum Answer {
    /// The bytes from `offset` on, which is 0 where the mirror does not do ranges.
    Body {
        /// Where in the file the body begins.
        offset: u64,
        /// The bytes.
        body: Box<dyn Read>,
    },
    /// The mirror has no such file.
    Missing,
    /// The range asked for lies behind the file's end.
    BehindTheEnd,
    /// Anything else, in words; `permanent` when asking again is of no use.
    Failed {
        /// What happened.
        reason: String,
        /// Whether the same request will fail again.
        permanent: bool,
    },
}

impl Client {
    /// Prepares a client; connects to nothing yet.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("netlab/", env!("CARGO_PKG_VERSION")))
            // Sizes and ranges are those of the file, so no transfer coding may come between.
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(SILENCE_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .build();
        Self(config.new_agent())
    }

    /// Asks for a file from byte `offset` on.
    pub fn get(&self, url: &str, offset: u64) -> Answer {
        let mut request = self.0.get(url);
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            Err(error) => {
                let permanent = matches!(error, ureq::Error::BadUri(_) | ureq::Error::Http(_));
                return Answer::Failed { reason: error.to_string(), permanent };
            }
        };
        match response.status() {
            StatusCode::OK => Answer::Body { offset: 0, body: body(response) },
            StatusCode::PARTIAL_CONTENT => match range_start(&response) {
                Some(offset) => Answer::Body { offset, body: body(response) },
                None => Answer::Failed { reason: "unreadable range".to_owned(), permanent: true },
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Answer::Missing,
            StatusCode::RANGE_NOT_SATISFIABLE => Answer::BehindTheEnd,
            status => Answer::Failed {
                reason: format!("the mirror answered {status}"),
                permanent: !status.is_server_error(),
            },
        }
    }
}

fn body(response: ureq::http::Response<ureq::Body>) -> Box<dyn Read> {
    Box::new(response.into_body().into_reader())
}

/// `Content-Range: bytes 100-199/200` begins at 100.
fn range_start(response: &ureq::http::Response<ureq::Body>) -> Option<u64> {
    let value = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    value.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
