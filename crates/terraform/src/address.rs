/// The resource of an address that `terraform state list` writes, without the key of its instance; `None` of a data
/// source, which belongs to no state that is compared.
pub fn resource_of(instance: &str) -> Option<&str> {
    let parts = parts(instance);
    // Modules come first, and one may itself be called `data`.
    let modules = parts.chunks(2).take_while(|pair| pair[0] == "module");
    let own = 2 * modules.count();
    if parts.get(own) == Some(&"data") {
        return None;
    }
    let key = parts
        .last()?
        .find('[')
        .map_or(0, |start| parts.last().map_or(0, |last| last.len() - start));
    Some(&instance[..instance.len() - key])
}

/// What stands between the dots, each with the key that may follow it. A key may hold anything, dots and brackets too.
fn parts(address: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in address.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '.' if !quoted => {
                parts.push(&address[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&address[start..]);
    parts
}

/// The block that takes what has `id` into the state as `address`, which is one that terraform wrote.
pub fn import_block(address: &str, id: &str) -> String {
    // A text of HCL has the escapes of JSON, and two of its own.
    let id = serde_json::Value::from(id).to_string();
    let id = id.replace("${", "$${").replace("%{", "%%{");
    format!("import {{\n  to = {address}\n  id = {id}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_block_holds_the_id_as_a_text_whatever_is_in_it() {
        let rows = [
            ("eipalloc-1", r#""eipalloc-1""#),
            ("a\"b\\c\n", r#""a\"b\\c\n""#),
            ("${x}%{y}", r#""$${x}%%{y}""#),
        ];
        for (id, text) in rows {
            let block = format!("import {{\n  to = aws_eip.this[0]\n  id = {text}\n}}\n");
            assert_eq!(import_block("aws_eip.this[0]", id), block);
            let body: Result<hcl::Body, _> = hcl::from_str(&block);
            assert!(body.is_ok(), "{block}");
        }
    }

    #[test]
    fn resource_of_an_instance_is_without_its_key_and_of_a_data_source_none() {
        let rows = [
            ("aws_vpc.a", Some("aws_vpc.a")),
            ("aws_vpc.a[0]", Some("aws_vpc.a")),
            (r#"aws_vpc.a["b.c]\"[d"]"#, Some("aws_vpc.a")),
            (
                r#"module.net["x.y"].module.z[1].aws_vpc.a[2]"#,
                Some(r#"module.net["x.y"].module.z[1].aws_vpc.a"#),
            ),
            ("module.data.aws_vpc.a", Some("module.data.aws_vpc.a")),
            ("data.aws_vpc.a", None),
            ("module.a.data.aws_vpc.b[0]", None),
            ("", Some("")),
            ("module", Some("module")),
        ];
        for (instance, wanted) in rows {
            assert_eq!(resource_of(instance), wanted, "{instance}");
        }
    }
}
