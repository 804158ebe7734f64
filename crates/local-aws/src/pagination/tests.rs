use super::*;

/// Asks for page after page, as a client does, until there is no token.
fn read(protocol: Protocol, whole: &[u8], next: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Vec<Bytes> {
    let mut pages = Vec::new();
    let mut at = 0;
    loop {
        let body = page(protocol, whole, at).expect("a page");
        let request = next(&body);
        pages.push(body);
        let Some(request) = request else {
            return pages;
        };
        let (asked, rest) = asked(protocol, &request).expect("a token");
        assert!(!String::from_utf8_lossy(&rest).contains(TOKEN));
        assert_eq!(asked, at + 1);
        at = asked;
    }
}

fn query(body: &[u8]) -> Option<Vec<u8>> {
    let document = std::str::from_utf8(body).expect("text");
    let document = Document::parse(document).expect("XML");
    let token = document
        .descendants()
        .find(|node| node.has_tag_name("Marker"))?;
    let token = token.text()?;
    Some(format!("Action=List&Marker={token}&Filter=a+b").into_bytes())
}

fn texts(pages: &[Bytes]) -> Vec<&str> {
    let text = |page| std::str::from_utf8(page).expect("text");
    pages.iter().map(|page| text(page)).collect()
}

const TWO: &str = "<NextToken>local-aws-page-2</NextToken><nextToken>local-aws-page-2</nextToken>\
                   <NextMarker>local-aws-page-2</NextMarker><Marker>local-aws-page-2</Marker>\
                   <IsTruncated>true</IsTruncated>";

#[test]
fn a_list_in_xml_comes_in_pages_of_one() {
    let whole = "<R><ListResult><Names><member>a</member><member>b</member></Names>\
                 <IsTruncated>false</IsTruncated></ListResult>\
                 <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></R>";
    let pages = read(Protocol::Query, whole.as_bytes(), query);
    let tail = "</ListResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></R>";
    assert_eq!(
        texts(&pages),
        [
            format!(
                "<R><ListResult>{}<Names></Names>{tail}",
                TWO.replace("page-2", "page-1")
            ),
            format!("<R><ListResult>{TWO}<Names><member>a</member></Names>{tail}"),
            format!("<R><ListResult><Names><member>b</member></Names>{tail}"),
        ]
    );
}

#[test]
fn ec2_has_its_lists_in_the_answer() {
    let whole = "<R><requestId>1</requestId><vpcSet><item><id>a</id></item></vpcSet></R>";
    let pages = read(Protocol::Query, whole.as_bytes(), query);
    assert_eq!(
        texts(&pages),
        [
            format!(
                "<R>{}<requestId>1</requestId><vpcSet></vpcSet></R>",
                TWO.replace("page-2", "page-1")
            ),
            whole.to_owned(),
        ]
    );
}

#[test]
fn an_answer_without_a_list_is_one_page() {
    let whole = "<R><ListResult><Names/></ListResult></R>";
    assert_eq!(
        texts(&read(Protocol::Query, whole.as_bytes(), query)),
        [whole]
    );
    assert_eq!(page(Protocol::Query, b"<R><ListResult/></R>", 0), None);
    assert_eq!(page(Protocol::S3, b"<R/>", 0), None);
}

#[test]
fn lists_in_json_follow_one_another() {
    let whole = br#"{"A":[1,2],"B":[{"c":3}],"Name":"x","Truncated":false}"#;
    let pages = read(Protocol::Json, whole, |body| {
        let body: Json = serde_json::from_slice(body).expect("JSON");
        let token = body.get("nextToken")?;
        Some(
            serde_json::json!({ "NextToken": token, "Limit": 5 })
                .to_string()
                .into_bytes(),
        )
    });
    let lists: Vec<Json> = pages
        .iter()
        .map(|page| serde_json::from_slice(page).expect("JSON"))
        .map(|page: Json| serde_json::json!([page["A"], page["B"], page["Name"]]))
        .collect();
    assert_eq!(
        Json::from(lists),
        serde_json::json!([
            [[], [], "x"],
            [[1], [], "x"],
            [[2], [], "x"],
            [[], [{ "c": 3 }], "x"]
        ])
    );
}

#[test]
fn lists_in_cbor_come_in_pages_of_one() {
    let whole = cbor(vec![(
        "Alarms".into(),
        vec![Cbor::from("a"), "b".into()].into(),
    )]);
    let pages = read(Protocol::Cbor, &whole.expect("CBOR"), |body| {
        let body: Cbor = ciborium::from_reader(body).expect("CBOR");
        let fields = body.into_map().expect("a map");
        let token = fields
            .into_iter()
            .find(|(name, _)| *name == "NextToken".into())?;
        Some(cbor(vec![token]).expect("CBOR").to_vec())
    });
    let lengths: Vec<usize> = pages
        .iter()
        .map(|page| {
            let body: Cbor = ciborium::from_reader(&page[..]).expect("CBOR");
            body.as_map().expect("a map")[0]
                .1
                .as_array()
                .expect("a list")
                .len()
        })
        .collect();
    assert_eq!(lengths, [0, 1, 1]);
}

#[test]
fn a_request_without_a_token_stays_as_it_is() {
    assert_eq!(asked(Protocol::Json, br#"{"NextToken":"theirs"}"#), None);
    assert_eq!(asked(Protocol::Query, b"Action=List&Marker=theirs"), None);
    assert_eq!(asked(Protocol::Cbor, b"\xa0"), None);
}
