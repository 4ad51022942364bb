//! Open vSwitch, asked over its own database protocol (OVSDB, RFC 7047: JSON-RPC on a socket).

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use netlab_protocol::{Switch, SwitchPort};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::error::Error;

/// The database server's socket.
const SOCKET: &str = "/run/openvswitch/db.sock";

/// The name of the process that is the switch.
pub const DAEMON: &str = "ovs-vswitchd";

/// The name of its database server's.
pub const DATABASE: &str = "ovsdb-server";

/// How long the database may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest answer of the database, in bytes: a thousand ports take a tenth of it.
const LONGEST_ANSWER_BYTES: usize = 1 << 20;

/// Says whether the switch has a socket at all.
pub fn is_there() -> bool {
    Path::new(SOCKET).exists()
}

/// Returns the names of all bridges; none if the switch doesn't run.
///
/// # Errors
/// [`Error::Database`] if it runs and gives no usable answer.
pub async fn bridge_names() -> Result<Vec<String>, Error> {
    Ok(bridges().await?.into_iter().map(|bridge| bridge.name).collect())
}

/// Returns all bridges with their ports; none if the switch doesn't run.
///
/// # Errors
/// [`Error::Database`] if it runs and gives no usable answer.
pub async fn bridges() -> Result<Vec<Switch>, Error> {
    let failed = |problem: String| Error::Database { path: SOCKET.into(), problem };
    let stream = match UnixStream::connect(SOCKET).await {
        Ok(stream) => stream,
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    let answered = timeout(LIMIT, ask(stream)).await;
    let late = |_| failed(format!("no answer in {} s", LIMIT.as_secs()));
    let answer = answered.map_err(late)?.map_err(|error| failed(error.to_string()))?;
    read_bridges(&answer).ok_or_else(|| failed(format!("an answer that is none: {answer}")))
}

async fn ask(mut stream: UnixStream) -> std::io::Result<Value> {
    let select = |table: &str, columns: Value| json!({ "op": "select", "table": table, "where": [], "columns": columns });
    let question = json!({
        "id": 0,
        "method": "transact",
        "params": [
            "Open_vSwitch",
            select("Bridge", json!(["name", "ports"])),
            select("Port", json!(["_uuid", "name", "tag"])),
        ],
    });
    stream.write_all(question.to_string().as_bytes()).await?;
    let mut text = Vec::new();
    loop {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if text.len() > LONGEST_ANSWER_BYTES {
            let words = format!("it says more than {LONGEST_ANSWER_BYTES} bytes");
            return Err(std::io::Error::other(words));
        }
        // Messages follow each other without any mark between them.
        match serde_json::Deserializer::from_slice(&text).into_iter::<Value>().next() {
            Some(Ok(answer)) => return Ok(answer),
            Some(Err(error)) if !error.is_eof() => return Err(error.into()),
            Some(Err(_)) | None => {}
        }
    }
}

/// Reads the answer to both questions, sorted by name; `None` if it has another shape.
pub(crate) fn read_bridges(answer: &Value) -> Option<Vec<Switch>> {
    let rows = |table: usize| answer["result"][table]["rows"].as_array();
    let mut ports = BTreeMap::new();
    for row in rows(1)? {
        let name = row["name"].as_str()?.to_owned();
        let tag = row["tag"].as_u64().and_then(|tag| u16::try_from(tag).ok());
        ports.insert(row["_uuid"][1].as_str()?, SwitchPort { name, tag });
    }
    let mut bridges = Vec::new();
    for row in rows(0)? {
        let name = row["name"].as_str()?.to_owned();
        let of_bridge = identifiers(&row["ports"])?.into_iter().filter_map(|id| ports.get(id));
        let mut ports: Vec<_> = of_bridge.filter(|port| port.name != name).cloned().collect();
        ports.sort_by(|one, other| one.name.cmp(&other.name));
        bridges.push(Switch { name, ports });
    }
    bridges.sort_by(|one, other| one.name.cmp(&other.name));
    Some(bridges)
}

/// Reads a column of row ids: `["uuid", ID]` for one, `["set", [["uuid", ID], …]]` for others.
fn identifiers(column: &Value) -> Option<Vec<&str>> {
    match column[0].as_str()? {
        "uuid" => Some(vec![column[1].as_str()?]),
        "set" => column[1].as_array()?.iter().map(|id| id[1].as_str()).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_matched_to_their_bridges_with_their_tags() {
        let answer = json!({ "id": 0, "error": null, "result": [
            { "rows": [
                { "name": "ovs2", "ports": ["uuid", "e"] },
                { "name": "ovs1", "ports": ["set", [["uuid", "b"], ["uuid", "a"], ["uuid", "c"]]] },
            ]},
            { "rows": [
                { "_uuid": ["uuid", "a"], "name": "ovs1", "tag": ["set", []] },
                { "_uuid": ["uuid", "b"], "name": "veth-r", "tag": 100 },
                { "_uuid": ["uuid", "c"], "name": "trunk", "tag": ["set", []] },
                { "_uuid": ["uuid", "e"], "name": "ovs2", "tag": ["set", []] },
            ]},
        ]});
        let port = |name: &str, tag| SwitchPort { name: name.to_owned(), tag };
        let ovs1 = vec![port("trunk", None), port("veth-r", Some(100))];
        assert_eq!(
            read_bridges(&answer).unwrap(),
            [
                Switch { name: "ovs1".to_owned(), ports: ovs1 },
                Switch { name: "ovs2".to_owned(), ports: vec![] },
            ]
        );
    }

    #[tokio::test]
    async fn an_answer_without_end_is_refused() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let flood = tokio::spawn(async move {
            let mut theirs = theirs;
            let begun = theirs.write_all(b"{\"id\": \"").await;
            while begun.is_ok() && theirs.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let error = ask(ours).await.unwrap_err();
        assert_eq!(error.to_string(), "it says more than 1048576 bytes");
        flood.await.unwrap();
    }

    #[test]
    fn an_answer_of_another_shape_is_none() {
        assert_eq!(read_bridges(&json!({ "id": 0, "error": "unknown database" })), None);
    }
}
