//! Requests that mean ill: each is refused, nothing of it is stored, and the collector serves on.

use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use backstitch::serve::limits::{MAX_BROUGHT_NAMESPACES, MAX_KEY_NAMESPACES, RESERVED_FILES};

use super::client::{KEY, Serving, ask, log, reply};

#[test]
fn large_packed_broken_and_tricky_requests_are_refused_in_bounded_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let post = format!("POST /{KEY}");
    let before = serving.memory("VmHWM");

    // A body of a gigabyte, by its own account and without one.
    let mut stream = BufReader::new(serving.connect());
    let head = format!("{post} HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).expect("sent");
    let block = vec![b' '; 1 << 20];
    let mut sent = 0;
    while sent < 64 && stream.get_mut().write_all(&block).is_ok() {
        sent += 1;
    }
    assert!(reply(&mut stream).is_none_or(|reply| reply.status == 413), "a large body");
    let mut stream = BufReader::new(serving.connect());
    let head = format!("{post} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.get_mut().write_all(head.as_bytes()).expect("sent");
    for _ in 0..64 {
        let chunk = [b"100000\r\n", &*block, b"\r\n"].concat();
        if stream.get_mut().write_all(&chunk).is_err() {
            break;
        }
    }
    assert!(reply(&mut stream).is_none_or(|reply| reply.status == 413), "a large body without a length");

    // A gigabyte of blanks, packed.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..256 {
        bomb.write_all(&block).expect("packed");
    }
    let bomb = bomb.finish().expect("packed");
    for _ in 0..3 {
        let reply = serving.ask(&post, "Content-Encoding: gzip\r\n", &bomb);
        assert_eq!(reply.status, 413, "a bomb");
    }
    assert_eq!(serving.ask(&post, "Content-Encoding: gzip\r\n", &bomb[..1_000]).status, 400, "a damaged one");

    // Broken text, deep nesting, keys by the thousand, paths that lead elsewhere.
    let broken = [&b"{\"user\":{\"identities\":{\"sessionId\":\"\xFF\xFE\"}}}"[..], b"\xED\xA0\x80", b"\0\0\0"];
    for body in broken {
        assert_eq!(serving.ask(&post, "", body).status, 400);
    }
    let deep = [b'['; 1 << 20];
    assert_eq!(serving.ask(&post, "", &deep).status, 400);
    let mut stream = BufReader::new(serving.connect());
    for number in 0..2_000 {
        let key = format!("POST /00000000-0000-4000-8000-{number:012}");
        assert_eq!(ask(&mut stream, &key, "", b"{}").expect("an answer").status, 401);
    }
    for path in ["/../../etc/passwd", "/%2e%2e%2fetc%2fpasswd", "//etc/passwd", "/%00", "/keys", "/log/.lock", "/%ff"] {
        let status = serving.get(path).status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }

    // Heads that are too large, or say two things.
    let cookie = format!("Cookie: {}\r\n", "x".repeat(64 << 10));
    assert!(
        ask(&mut BufReader::new(serving.connect()), "GET /healthz", &cookie, b"")
            .is_none_or(|reply| reply.status == 431)
    );
    let many = "X-A: b\r\n".repeat(500);
    assert!(
        ask(&mut BufReader::new(serving.connect()), "GET /healthz", &many, b"").is_none_or(|reply| reply.status == 431)
    );
    let mut stream = BufReader::new(serving.connect());
    let smuggled = "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n";
    stream.get_mut().write_all(format!("{post} HTTP/1.1\r\nHost: x\r\n{smuggled}").as_bytes()).expect("sent");
    assert!(reply(&mut stream).is_none_or(|reply| reply.status == 400), "two lengths");

    assert_eq!(serving.get("/healthz").body, "ok\n");
    if let (Some(before), Some(after)) = (before, serving.memory("VmHWM")) {
        assert!(after - before < 128 << 20, "{} bytes more", after - before);
    }
    serving.stop();
    assert_eq!(log(folder.path()), "");
}

#[test]
fn slow_and_idle_clients_are_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let start = Instant::now();
    let mut idle = BufReader::new(serving.connect());
    let mut slow_head = BufReader::new(serving.connect());
    slow_head.get_mut().write_all(b"GET /healthz HTTP/1.1\r\nHost:").expect("sent");
    let mut slow_body = BufReader::new(serving.connect());
    let head = format!("POST /{KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[");
    slow_body.get_mut().write_all(head.as_bytes()).expect("sent");
    assert_eq!(serving.get("/healthz").status, 200, "meanwhile others are served");
    assert!(reply(&mut idle).is_none());
    assert!(reply(&mut slow_head).is_none_or(|reply| reply.status == 408));
    assert!(reply(&mut slow_body).is_none_or(|reply| reply.status == 408));
    assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
}

/// Lets this process have as many open files as the system admits; says how many.
fn files_admitted() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let Rlimit { current: raised, .. } = getrlimit(Resource::Nofile);
    raised.or(current).map_or(usize::MAX, |files| files as usize)
}

#[test]
fn ten_thousand_connections_that_say_nothing_keep_nobody_out_and_do_not_last() {
    const IDLE: usize = 10_000;
    const THREADS: usize = 50;
    let folder = tempfile::tempdir().expect("a folder");
    // The limit is that of the collector as well, which needs some files of its own.
    let idle = IDLE.min(files_admitted().saturating_sub(RESERVED_FILES + 400));
    let serving = Serving::start(folder.path(), &[]);
    let before = serving.memory("VmHWM");
    let connect = || (0..idle / THREADS).map(|_| serving.connect()).collect::<Vec<TcpStream>>();
    let held: Vec<TcpStream> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(connect)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let good = r#"{"user":{"identities":{"sessionId":"s"}}}"#;
    assert_eq!(serving.post(&format!("/{KEY}?wait=1"), good).status, 200, "somebody else is served");
    let open = |serving: &Serving| {
        let metrics = serving.get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("backstitch_connections_open "));
        line.expect("a gauge").parse::<usize>().expect("a number")
    };
    let most = open(&serving);
    if let (Some(before), Some(after)) = (before, serving.memory("VmHWM")) {
        println!(
            "serve: {} connections that say nothing, {most} of them open at once, {} KB more",
            held.len(),
            (after - before) >> 10
        );
        assert!(after - before < 64 << 20, "{} bytes more", after - before);
    }
    let start = Instant::now();
    while open(&serving) > 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "they last");
        thread::sleep(Duration::from_millis(100));
    }
    drop(held);
    serving.stop();
}

#[test]
fn a_key_that_lies_open_in_a_page_does_not_fill_the_room_for_namespaces() {
    let folder = tempfile::tempdir().expect("a folder");
    let serving = Serving::start(folder.path(), &[]);
    let post = |namespace: &str| {
        let body = format!(r#"{{"user":{{"identities":{{"sessionId":"s","{namespace}":"x"}}}}}}"#);
        serving.post(&format!("/{KEY}?wait=1"), &body)
    };
    let taken = (0..40).filter(|number| post(&format!("Odd{number}")).status == 200).count();
    assert_eq!(taken, MAX_KEY_NAMESPACES);
    assert_eq!((post("ODD0").status, post("ecommerceId").status), (200, 200), "those that are known go on");
    let told = post("another").body;
    assert!(told.contains(r#""reason":"too_many_namespaces""#), "{told}");
    serving.stop();
    assert_eq!(log(folder.path()).lines().count(), MAX_KEY_NAMESPACES + 2);
    // To start it again gives room for more, but not for all that a store has.
    let mut taken = MAX_KEY_NAMESPACES;
    for start in 1..=MAX_BROUGHT_NAMESPACES / MAX_KEY_NAMESPACES {
        let serving = Serving::start(folder.path(), &[]);
        let odd =
            |number: usize| format!(r#"{{"user":{{"identities":{{"sessionId":"s","again{start}x{number}":"x"}}}}}}"#);
        taken += (0..MAX_KEY_NAMESPACES)
            .filter(|&number| serving.post(&format!("/{KEY}?wait=1"), &odd(number)).status == 200)
            .count();
        serving.stop();
    }
    assert!((MAX_BROUGHT_NAMESPACES - 4..MAX_BROUGHT_NAMESPACES).contains(&taken), "{taken}");
}
