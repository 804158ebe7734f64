//! What pages in a browser on the same machine get: nothing.

use browser::Browser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::clients::{create_bucket, s3, start_or_return};
use crate::strangers::CODE;

/// The web server of somebody who means no good: `page` for whoever asks. Returns its port.
async fn server_of(page: String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let page = page.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                // What is asked for makes no difference.
                let _ = stream.read(&mut head).await;
                let length = page.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\
                     connection: close\r\n\r\n{page}"
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

/// A page that makes a function and invokes it, reads buckets and control pages, writes and deletes: with what a page can
/// send without asking first, with headers that want an answer to a question first, by forms, pictures and frames. It says
/// what it could read.
fn attack(endpoint: &str) -> String {
    let scope = "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/";
    format!(
        r#"<!doctype html><meta charset=utf-8><title>A page</title><output></output>
<form method=post target=frame action="{endpoint}/?Action=CreateUser&UserName=form"><input name=a value=b></form>
<iframe name=frame></iframe><img src="{endpoint}/?Action=CreateUser&UserName=picture&X-Amz-Credential=test%2F20261122%2Fus-east-1%2Fiam%2Faws4_request">
<script>
const create = JSON.stringify({{ FunctionName: "f", Runtime: "python3.12", Handler: "f.h",
  Code: {{ ZipFile: "{CODE}" }}, Role: "arn:aws:iam::000000000000:role/f" }});
const signed = (service) => ({{ authorization: "{scope}" + service + "/aws4_request" }});
const query = (service) => "?X-Amz-Credential=test%2F20261122%2Fus-east-1%2F" + service + "%2Faws4_request";
const tries = [];
for (const mode of ["no-cors", "cors"]) {{
  for (const [method, path, body] of [
    ["POST", "/2015-03-31/functions" + query("lambda"), create],
    ["POST", "/2015-03-31/functions/f/invocations" + query("lambda"), "{{}}"],
    ["GET", "/objects" + query("s3")], ["GET", "/_local-aws/status"], ["GET", "/_local-aws/log"],
    ["POST", "/_local-aws/stop"], ["POST", "/_ministack/reset"], ["POST", "/objects?delete" + query("s3"), "x"],
  ]) tries.push([path, {{ method, mode, body }}]);
}}
for (const [method, path, service, body] of [
  ["POST", "/2015-03-31/functions", "lambda", create], ["GET", "/objects", "s3"], ["PUT", "/objects/k", "s3", "x"],
  ["DELETE", "/objects", "s3"],
]) tries.push([path, {{ method, body, headers: signed(service) }}]);
onload = async () => {{
  document.forms[0].submit();
  const read = [];
  for (const [path, how] of tries) {{
    try {{
      const text = await (await fetch("{endpoint}" + path, how)).text();
      if (text) read.push(path + ": " + text);
    }} catch {{}}
  }}
  const output = document.querySelector("output");
  output.textContent = read.join("\n") || "nothing";
  output.className = "answer";
}};
</script>"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_another_origin_gets_nothing() {
    let Some(browser) = Browser::or_skip() else {
        return;
    };
    let aws = start_or_return!();
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    aws.clear_log();
    let endpoint = aws.endpoint().to_owned();
    let port = endpoint.rsplit(':').next().unwrap().to_owned();
    let page = server_of(attack(&endpoint)).await;
    let through_name = server_of(attack(&format!("http://evil.example:{port}"))).await;
    let localhost = server_of(attack(&format!("http://localhost:{port}"))).await;
    let hosts = [("evil.example", "127.0.0.1"), ("localhost", "127.0.0.1")];
    let visited = tokio::task::spawn_blocking(move || {
        let visit = |url: String| browser.visit(&url, &hosts).unwrap();
        let pages = [
            format!("http://127.0.0.1:{page}/"),
            format!("http://evil.example:{page}/"),
            format!("http://evil.example:{through_name}/"),
            format!("http://evil.example:{localhost}/"),
        ];
        // A name whose address became this machine's after its page was loaded: the page and the port are of one origin.
        let rebound = ["/objects", "/_local-aws/status", "/_ministack/health"];
        let rebound = rebound.map(|path| format!("http://evil.example:{port}{path}"));
        (pages.map(visit), rebound.map(visit))
    });
    let (pages, rebound) = visited.await.unwrap();
    assert_eq!(aws.log(), [], "nothing has reached AWS");
    for (answer, whole) in pages {
        assert_eq!(answer.as_deref(), Some("nothing"), "{whole}");
    }
    for (_, whole) in rebound {
        assert!(whole.contains("Host is no name of this machine"), "{whole}");
    }
    assert_eq!(aws.control().status().await.unwrap().requests, 1);
    client.head_bucket().bucket("objects").send().await.unwrap();
}
