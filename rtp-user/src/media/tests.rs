use super::{Identity, Media, MediaError, PcrSpan, Wish, open, pcr};
use bytemuck::Zeroable as _;
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixListener},
    path::Path,
};

/// A transport stream of `packets` packets with a PCR in each.
fn stream(packets: u64) -> Vec<u8> {
    (0..packets).flat_map(|packet| pcr::packet_with_pcr(0x100, packet * 1000)).collect()
}

const SAID: Wish = Wish { payload_type: Some(96), clock_rate: Some(48_000), payload: Some(960), ..SILENT };
const SILENT: Wish = Wish { payload_type: None, clock_rate: None, payload: None, pcr_pid: None, ptime: None };

/// What `open` says to `octets` in a file named `name`.
fn opened(name: &str, octets: &[u8], wish: &Wish) -> Result<Media, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    fs::write(&path, octets).expect("room for it");
    answer(dir.path(), name, wish)
}

/// The same for what there already is. The file's identity becomes that of
/// no file and messages are freed of `dir`, so that both can be foretold.
fn answer(dir: &Path, name: &str, wish: &Wish) -> Result<Media, String> {
    let anonymous = |(file, media): (_, Media)| {
        assert_eq!(Some(media.identity), Identity::of(&file).ok(), "{name}");
        assert_eq!(media.octets, 0..media.identity.size, "{name}");
        Media { identity: Identity::zeroed(), ..media }
    };
    let without = |error: MediaError| error.to_string().replace(&format!("{}/", dir.display()), "");
    open(&dir.join(name), wish).map(anonymous).map_err(without)
}

#[test]
fn a_transport_stream_needs_no_wish() {
    let ts = Media {
        payload_type: 33,
        clock_rate: 90_000,
        payload: 1316,
        unit: 188,
        encoding: Some(super::TS_ENCODING),
        octets: 0..20 * 188,
        clock: None,
        identity: Identity::zeroed(),
        samples: None,
        has_pcrs: true,
        pcr_pid: None,
        pcr: Some(PcrSpan { pid: 0x100, first_octet: 10, last_octet: 19 * 188 + 10, ticks: 19_000 }),
    };
    let raw = Media {
        payload_type: 96,
        clock_rate: 48_000,
        payload: 960,
        unit: 1,
        encoding: None,
        has_pcrs: false,
        pcr: None,
        ..ts.clone()
    };
    let cases = [
        ("no wish", SILENT, ts.clone()),
        ("payload", Wish { payload: Some(188), ..SILENT }, Media { payload: 188, ..ts.clone() }),
        ("type", Wish { payload_type: Some(96), ..SILENT }, Media { payload_type: 96, ..ts.clone() }),
        (
            "clock",
            Wish { clock_rate: Some(27_000_000), ..SILENT },
            Media { clock_rate: 27_000_000, unit: 1, encoding: None, ..ts.clone() },
        ),
        ("as something else", SAID, raw.clone()),
        (
            "as something else in whole packets",
            Wish { payload: Some(376), ..SAID },
            Media { payload: 376, has_pcrs: true, pcr: ts.pcr, ..raw },
        ),
        (
            "as what it is",
            Wish { payload_type: Some(33), clock_rate: Some(90_000), payload: Some(1316), ..SILENT },
            ts,
        ),
    ];
    for (case, wish, expected) in cases {
        assert_eq!(opened("a.ts", &stream(20), &wish), Ok(expected), "{case}");
    }
}

#[test]
fn anything_goes_as_what_it_is_said_to_be() {
    let raw = Media {
        payload_type: 96,
        clock_rate: 48_000,
        payload: 960,
        unit: 1,
        encoding: None,
        octets: 0..5000,
        clock: None,
        identity: Identity::zeroed(),
        samples: None,
        has_pcrs: false,
        pcr_pid: None,
        pcr: None,
    };
    assert_eq!(opened("a.pcm", &[1; 5000], &SAID), Ok(raw.clone()));
    let cut = stream(20)[..2000].to_vec();
    assert_eq!(opened("cut.ts", &cut, &SAID), Ok(Media { octets: 0..2000, ..raw.clone() }));
    assert_eq!(opened("short.pcm", &[1; 3], &SAID), Ok(Media { octets: 0..3, ..raw }));
}

#[test]
fn content_that_cannot_be_sent_is_refused_with_the_remedy() {
    let text = b"no film. ".repeat(99);
    let m2ts = [&[0; 4], &stream(1)[..]].concat().repeat(9);
    let parity = [&stream(1)[..], &[0; 16]].concat().repeat(9);
    let late = [&[0; 50], &stream(9)[..]].concat();
    let cases: [(&str, &[u8], Wish, &str); 14] = [
        ("a.ts", b"", SILENT, "a.ts is empty; name a file with content"),
        ("a.pcm", b"", SAID, "a.pcm is empty; name a file with content"),
        (
            "a.txt",
            &text,
            SILENT,
            "a.txt is not an MPEG transport stream of 188-octet packets: octet 0 is not the sync octet 0x47; \
             to send it as it is, say what it is with --pt, --clock-rate and --payload",
        ),
        (
            "a.txt",
            &text,
            Wish { payload: None, ..SAID },
            "a.txt is not an MPEG transport stream of 188-octet packets: octet 0 is not the sync octet 0x47; \
             to send it as it is, say what it is with --pt, --clock-rate and --payload",
        ),
        (
            "a.ts",
            &stream(1)[..100],
            SILENT,
            "a.ts is not an MPEG transport stream of 188-octet packets: it is shorter than one packet; \
             to send it as it is, say what it is with --pt, --clock-rate and --payload",
        ),
        (
            "a film.m2ts",
            &m2ts,
            SILENT,
            "a film.m2ts is not an MPEG transport stream of 188-octet packets: it looks like M2TS, packets of \
             192 octets; convert it with `ffmpeg -i 'a film.m2ts' -map 0 -c copy NEW.ts`",
        ),
        (
            "a.ts",
            &parity,
            SILENT,
            "a.ts is not an MPEG transport stream of 188-octet packets: it looks like packets of 204 octets, \
             with Reed-Solomon parity; convert it with `ffmpeg -i a.ts -map 0 -c copy NEW.ts`",
        ),
        (
            "a.ts",
            &late,
            SILENT,
            "a.ts is not an MPEG transport stream of 188-octet packets: its packets begin at octet 50; \
             drop what is before with `tail -c +51 a.ts > NEW.ts`",
        ),
        (
            "a.ts",
            &stream(20)[..3700],
            SILENT,
            "a.ts is a truncated MPEG transport stream: it ends with 128 octets of an unfinished packet; \
             drop them with `truncate -s 3572 a.ts`",
        ),
        (
            "a.ts",
            &stream(20),
            Wish { payload: Some(1400), ..SILENT },
            "--payload 1400 would cut the transport packets of a.ts; give a multiple of 188, such as 1316",
        ),
        (
            "a.ts",
            &stream(20),
            Wish { payload: Some(100), ..SILENT },
            "--payload 100 would cut the transport packets of a.ts; give a multiple of 188, such as 188",
        ),
        (
            "a.pcm",
            &text,
            Wish { payload: Some(15), ..SAID },
            "--payload 15 is out of range; give 16 to 65000 octets",
        ),
        (
            "a.ts",
            &stream(20),
            Wish { payload_type: Some(128), ..SILENT },
            "--pt 128 is out of range; a payload type is 0 to 127",
        ),
        (
            "a.ts",
            &stream(20),
            Wish { clock_rate: Some(0), ..SILENT },
            "--clock-rate 0 is out of range; give the RTP timestamp's ticks per second, such as 90000",
        ),
    ];
    for (name, octets, wish, message) in cases {
        assert_eq!(opened(name, octets, &wish), Err(message.into()), "{wish:?}");
    }
}

#[test]
fn what_is_no_file_is_refused_at_once_and_with_the_remedy() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("films")).expect("room for it");
    fs::write(at("a.ts"), stream(1)).expect("room for it");
    std::os::unix::fs::symlink(at("gone.ts"), at("link.ts")).expect("room for it");
    std::os::unix::fs::symlink("/dev/zero", at("zero")).expect("room for it");
    let _listener = UnixListener::bind(at("socket")).expect("room for it");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).expect("room for it");
    let cases = [
        ("gone.ts", "gone.ts: no such file; check the name"),
        ("link.ts", "link.ts: no such file; check the name"),
        ("a.ts/b.ts", "a.ts/b.ts: no such file; check the name"),
        ("films", "films is a directory; name a file in it"),
        ("pipe", "pipe is a named pipe; copy what it holds to a regular file and name that"),
        ("socket", "socket is a socket; copy what it holds to a regular file and name that"),
        ("zero", "zero is a device; copy what it holds to a regular file and name that"),
    ];
    for (name, message) in cases {
        for wish in [SILENT, SAID] {
            assert_eq!(answer(dir.path(), name, &wish), Err(message.into()), "{name}");
        }
    }
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("a.ts"), stream(1)).expect("room for it");
    fs::set_permissions(dir.path().join("a.ts"), fs::Permissions::from_mode(0o000)).expect("our file");
    let other = || {
        // SAFETY: it concerns files that this thread opens from now on, no memory.
        unsafe { libc::setfsuid(65_534) };
        answer(dir.path(), "a.ts", &SILENT)
    };
    // A thread of its own, as root's right to read everything goes with the change.
    let answer = std::thread::scope(|scope| scope.spawn(other).join().expect("no panic"));
    let message = "a.ts: permission denied; make it and its directories readable for this user";
    assert_eq!(answer, Err(message.into()));
}
