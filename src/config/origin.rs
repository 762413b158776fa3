//! The origin of a page, as browsers name it in the header `Origin`.

/// Reads an origin: a scheme, a host, and a port if it is not that of the scheme, in the form of
/// browsers, because the text of a browser is compared with this one.
///
/// # Errors
/// The text says what is wrong, and in which form an origin is written.
pub fn parse_origin(text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = |why: &str| {
        format!("{text:?} {why}; write https://shop.example.com or https://shop.example.com:8443")
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no https:// in front"))?;
    let (host, port) = match rest.strip_prefix("[::1]") {
        Some(port) => ("[::1]", port.strip_prefix(':')),
        None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
    };
    let is_local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        "https" => {}
        "http" if is_local => {}
        "http" => return Err(wrong("is not encrypted: anybody on the way could change its page")),
        _ => return Err(wrong("has no https:// in front")),
    }
    let is_letter = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if host.is_empty() || !is_local && !host.bytes().all(is_letter) {
        return Err(wrong("must name one host, in lower case, and nothing behind it"));
    }
    match port.map(str::parse::<u16>) {
        None if rest == host => Ok(text.to_owned()),
        Some(Ok(443)) if scheme == "https" => Err(wrong("names the port that browsers leave out")),
        Some(Ok(80)) if scheme == "http" => Err(wrong("names the port that browsers leave out")),
        Some(Ok(port)) if rest == format!("{host}:{port}") => Ok(text.to_owned()),
        None | Some(_) => Err(wrong("has no port that a browser sends")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_exactly_what_a_browser_sends() {
        for good in [
            "https://shop.example.com",
            "https://shop.example.com:8443",
            "http://localhost:3000",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "https://xn--9t4b11yi5a.example",
        ] {
            assert_eq!(parse_origin(good).unwrap(), good);
        }
        for bad in [
            "",
            "*",
            "null",
            "shop.example.com",
            "//shop.example.com",
            "https://",
            "https://shop.example.com/",
            "https://shop.example.com/page",
            "https://shop.example.com?x=1",
            "https://*.example.com",
            "https://Shop.example.com",
            "HTTPS://shop.example.com",
            "https://shop.example.com:443",
            "https://shop.example.com:",
            "https://shop.example.com:99999",
            "https://me@shop.example.com",
            "http://shop.example.com",
            "http://localhost.evil.example",
            "ftp://shop.example.com",
            "file:///shop",
            "http://[::1]x",
            "https://shop.example.com:08443",
            "https://shop.example.com:+8443",
            "https://가게.example",
        ] {
            let error = parse_origin(bad).expect_err(bad);
            assert!(error.contains("https://shop.example.com:8443"), "{bad}: {error}");
        }
    }
}
