//! Prices that are asked for over HTTP, by a program that is killed and goes on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cost::text;

const BOOK: &str = "# Price book: format 1, version 2026-11-22\n\
    region,service,item,unit,per,from,to,usd,as_of,confidence,source\n\
    ca-central-1,AmazonEC2,nat gateway,hour,1,0,Inf,0.05,2026-08-29,quoted:3,s\n\
    ca-central-1,AmazonEC2,nat gateway data,GB,1,0,Inf,0.05,2026-08-29,quoted:3,s\n\
    ca-central-1,AmazonVPC,public ipv4,address-hour,1,0,Inf,0.005,2026-08-29,quoted:3,s\n";

/// What GetProducts was asked: the usage type, and the page.
type Question = (String, Option<String>);

/// The Price List, as far as it is asked here: two pages for each item, of which the second has the product.
struct PriceList {
    endpoint: String,
    answered: Arc<Mutex<Vec<Question>>>,
    /// The question that is left without an answer, from when on somebody waits for it.
    held: Arc<Mutex<Option<Question>>>,
    is_held: Receiver<()>,
}

impl PriceList {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (answered, held) = (Arc::default(), Arc::default());
        let (tell, is_held) = channel();
        let list = Self {
            endpoint,
            answered: Arc::clone(&answered),
            held: Arc::clone(&held),
            is_held,
        };
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (answered, held) = (Arc::clone(&answered), Arc::clone(&held));
                let tell: Sender<()> = tell.clone();
                thread::spawn(move || serve(&connection.unwrap(), &answered, &held, &tell));
            }
        });
        list
    }

    fn answered(&self) -> Vec<Question> {
        std::mem::take(&mut *self.answered.lock().unwrap())
    }
}

/// Answers what comes on a connection until it is closed.
fn serve(
    connection: &TcpStream,
    answered: &Mutex<Vec<Question>>,
    held: &Mutex<Option<Question>>,
    tell: &Sender<()>,
) {
    let mut reader = BufReader::new(connection);
    while let Some(body) = request(&mut reader) {
        let question = question(&body);
        if held.lock().unwrap().as_ref() == Some(&question) {
            tell.send(()).unwrap();
            // Until the program is gone.
            let _ = reader.read(&mut [0]);
            return;
        }
        let answer = answer(&question).to_string();
        answered.lock().unwrap().push(question);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut writer = connection;
        if writer.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` when there is none.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn question(body: &Value) -> Question {
    let filters = body["Filters"].as_array().unwrap();
    let usage = filters.iter().find(|of| of["Field"] == "usagetype");
    let usage = usage.unwrap()["Value"].as_str().unwrap().to_owned();
    (usage, body["NextToken"].as_str().map(str::to_owned))
}

fn answer((usage, page): &Question) -> Value {
    if page.is_none() {
        return json!({"FormatVersion": "aws_v1", "PriceList": [], "NextToken": "2"});
    }
    let (service, unit, usd) = match usage.as_str() {
        "NatGateway-Hours" => ("AmazonEC2", "Hrs", "0.0510000000"),
        "NatGateway-Bytes" => ("AmazonEC2", "GB", "0.0520000000"),
        _ => ("AmazonVPC", "Hrs", "0.0060000000"),
    };
    let dimension = json!({"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": usd},
        "rateCode": "S.JRTCKXETXF.6YS6EN2CT7", "appliesTo": [], "description": "d"});
    let term = json!({"sku": "S", "offerTermCode": "JRTCKXETXF", "effectiveDate": "2026-11-01T00:00:00Z",
        "termAttributes": {}, "priceDimensions": {"S.JRTCKXETXF.6YS6EN2CT7": dimension}});
    let product = json!({"serviceCode": service, "version": "1", "publicationDate": "2026-11-12T18:42:12Z",
        "product": {"sku": "S", "productFamily": "f", "attributes": {"regionCode": "ca-central-1",
            "servicecode": service, "usagetype": format!("CAN1-{usage}"), "operation": "NatGateway"}},
        "terms": {"OnDemand": {"S.JRTCKXETXF": term}}});
    json!({"FormatVersion": "aws_v1", "PriceList": [product.to_string()]})
}

fn refresh(folder: &Path, list: &PriceList, write: &str) -> Child {
    let environment = BTreeMap::from([
        ("AWS_ENDPOINT_URL", list.endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    Command::new(env!("CARGO_BIN_EXE_verify-staging"))
        .current_dir(folder)
        .env_clear()
        .envs(environment)
        .args(["cost", "prices", "refresh", "--prices", "book.csv"])
        .args(["--region", "ca-central-1", "--yes", "--write", write])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn a_refresh_that_is_killed_between_two_pages_goes_on_and_ends_as_another_one() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("book.csv"), BOOK).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let list = PriceList::start();
    let page = |usage: &str, page: Option<&str>| (usage.to_owned(), page.map(str::to_owned));
    *list.held.lock().unwrap() = Some(page("NatGateway-Bytes", Some("2")));
    let mut killed = refresh(folder.path(), &list, "new.csv");
    list.is_held.recv().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(
        list.answered(),
        [
            page("NatGateway-Hours", None),
            page("NatGateway-Hours", Some("2")),
            page("NatGateway-Bytes", None)
        ]
    );
    let kept = read("new.csv.partial");
    assert!(
        kept.contains("nat gateway,") && !kept.contains("nat gateway data,"),
        "{kept}"
    );
    assert!(!folder.path().join("new.csv").exists());

    *list.held.lock().unwrap() = None;
    let output = refresh(folder.path(), &list, "new.csv")
        .wait_with_output()
        .unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("goes on with 1 items that were settled today"),
        "{told}"
    );
    let again = list.answered();
    // The item that was found is not asked for again, the one that was cut off from its first page on.
    assert_eq!(again[0], page("NatGateway-Bytes", None));
    assert!(!again.iter().any(|(usage, _)| usage == "NatGateway-Hours"));
    assert!(!folder.path().join("new.csv.partial").exists());
    assert!(text(&output.stdout).contains("$0.051"));

    let whole = refresh(folder.path(), &list, "whole.csv")
        .wait_with_output()
        .unwrap();
    assert_eq!(whole.status.code(), Some(0));
    assert_eq!(read("new.csv"), read("whole.csv"));
}
