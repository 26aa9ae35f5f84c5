use super::{
    super::{Encoding, Media, MediaError, Samples, open},
    Coding, Cut, Format, Order, Sound, Wish, raw,
};
use crate::media::{
    au,
    format::{BadSound, milliseconds},
    library::{ClockWish, Library},
    pcm_files::{au_file, extensible, fmt, riff, wave},
    plan::Plan,
    source::SourceError,
    wav,
};
use proptest::prelude::*;
use std::{fs, ops::Range, os::unix::fs::FileExt as _, path::Path, time::Duration};

fn parse(file: &[u8]) -> Option<Result<Sound, BadSound>> {
    wav::parse(file, file.len() as u64).or_else(|| au::parse(file, file.len() as u64))
}

const DATA: [u8; 24] = [7; 24];

fn sound(coding: Coding, channels: u16, rate: u32, order: Order, octets: Range<u64>) -> Sound {
    Sound { format: Format { coding, channels, rate }, order, octets }
}

#[test]
fn headers_are_read_in_all_their_shapes() {
    use Coding::{L16, L24, Pcma, Pcmu};
    use Order::{Little, Network};
    let stereo = fmt(Little, 1, 2, 44_100, 4, 16);
    let ds64 = |data: u64| [&[0; 8][..], &data.to_le_bytes(), &[0; 12]].concat();
    let rf64 = |magic, data, ds64: &[u8]| {
        riff(
            magic,
            &[(b"ds64", 28, ds64), (b"fmt ", 16, &stereo), (b"data", data, &DATA), (b"id3 ", 3, b"end")],
        )
    };
    let cd = |octets| sound(L16, 2, 44_100, Little, octets);
    let cases = [
        ("16 bits", wave(&stereo, 24, &DATA), cd(44..68)),
        ("a chunk behind", [wave(&stereo, 24, &DATA), b"LIST\x02\0\0\0ab".to_vec()].concat(), cd(44..68)),
        ("size unknown", wave(&stereo, u32::MAX, &DATA), cd(44..68)),
        ("size never written", wave(&stereo, 0, &DATA), cd(44..68)),
        (
            "size never written, a chunk's name among samples",
            wave(&stereo, 0, b"LIST\x06\0\0\0samples."),
            cd(44..60),
        ),
        ("half a frame at the end", wave(&stereo, 23, &DATA[..23]), cd(44..64)),
        (
            "an odd chunk before",
            riff(b"RIFF", &[(b"bext", 3, b"odd"), (b"fmt ", 16, &stereo), (b"data", 24, &DATA)]),
            cd(56..80),
        ),
        ("RF64", rf64(b"RF64", u32::MAX, &ds64(20)), cd(80..100)),
        ("RF64 that needs none", rf64(b"RF64", 16, &ds64(20)), cd(80..96)),
        ("BW64", rf64(b"BW64", u32::MAX, &ds64(24)), cd(80..104)),
        (
            "24 bits",
            wave(&fmt(Little, 1, 1, 96_000, 3, 24), 24, &DATA),
            sound(L24, 1, 96_000, Little, 44..68),
        ),
        (
            "20 bits in 24",
            wave(&fmt(Little, 1, 2, 48_000, 6, 20), 24, &DATA),
            sound(L24, 2, 48_000, Little, 44..68),
        ),
        ("extensible", wave(&extensible(1, 4, 12, 24), 24, &DATA), sound(L24, 4, 48_000, Little, 68..92)),
        (
            "extensible A-law",
            wave(&extensible(6, 1, 1, 8), 24, &DATA),
            sound(Pcma, 1, 48_000, Network, 68..92),
        ),
        ("A-law", wave(&fmt(Little, 6, 1, 8_000, 1, 8), 24, &DATA), sound(Pcma, 1, 8_000, Network, 44..68)),
        ("µ-law", wave(&fmt(Little, 7, 2, 8_000, 2, 8), 24, &DATA), sound(Pcmu, 2, 8_000, Network, 44..68)),
        (
            "big-endian",
            riff(b"RIFX", &[(b"fmt ", 16, &fmt(Network, 1, 2, 44_100, 4, 16)), (b"data", 24, &DATA)]),
            sound(L16, 2, 44_100, Network, 44..68),
        ),
        ("AU 16 bits", au_file(24, 24, 3, 44_100, 2, &DATA), sound(L16, 2, 44_100, Network, 24..48)),
        ("AU 24 bits", au_file(32, 24, 4, 48_000, 8, &DATA), sound(L24, 8, 48_000, Network, 32..56)),
        ("AU µ-law", au_file(28, 20, 1, 8_000, 1, &DATA), sound(Pcmu, 1, 8_000, Network, 28..48)),
        ("AU A-law", au_file(24, u32::MAX, 27, 8_000, 1, &DATA), sound(Pcma, 1, 8_000, Network, 24..48)),
    ];
    for (case, file, expected) in cases {
        assert_eq!(parse(&file), Some(Ok(expected)), "{case}");
    }
}

#[test]
fn headers_that_cannot_be_used_are_told_why() {
    use Order::Little;
    let stereo = fmt(Little, 1, 2, 44_100, 4, 16);
    let of = |tag, block, bits| wave(&fmt(Little, tag, 2, 44_100, block, bits), 24, &DATA);
    let mut foreign = extensible(1, 2, 4, 16);
    foreign[39] ^= 1;
    let cases = [
        ("8 bits", of(1, 2, 8), "8-bit samples in 8 bits cannot be sent"),
        ("32 bits", of(1, 8, 32), "32-bit samples in 32 bits cannot be sent"),
        ("24 bits in 32", of(1, 8, 24), "24-bit samples in 32 bits cannot be sent"),
        ("float", of(3, 8, 32), "32-bit floating-point samples cannot be sent"),
        ("ADPCM", of(2, 512, 4), "ADPCM cannot be sent"),
        ("MP3", of(0x55, 2, 0), "MPEG audio cannot be sent"),
        ("unheard-of", of(0x1234, 4, 16), "audio of format 0x1234 cannot be sent"),
        ("another GUID", wave(&foreign, 24, &DATA), "audio of format 0x0000 cannot be sent"),
        ("odd frame", of(1, 5, 16), "`fmt ` chunk contradicts itself"),
        (
            "no channels",
            wave(&fmt(Little, 1, 0, 44_100, 4, 16), 24, &DATA),
            "`fmt ` chunk contradicts itself",
        ),
        ("no rate", wave(&fmt(Little, 1, 2, 0, 4, 16), 24, &DATA), "no samples in a second"),
        (
            "channels without end",
            wave(&fmt(Little, 7, 65_535, 8_000, 65_535, 8), 24, &DATA),
            "65535 channels",
        ),
        ("short format", wave(&stereo[..14], 24, &DATA), "`fmt ` chunk is too short"),
        ("short extensible", wave(&extensible(1, 2, 4, 16)[..38], 24, &DATA), "`fmt ` chunk is too short"),
        ("no format", riff(b"RIFF", &[(b"data", 24, &DATA)]), "no `fmt ` chunk before"),
        ("no data", riff(b"RIFF", &[(b"fmt ", 16, &stereo)]), "no `data` chunk"),
        ("a chunk without end", riff(b"RIFF", &[(b"junk", u32::MAX, b"")]), "no `data` chunk"),
        ("nothing at all", riff(b"RIFF", &[]), "no `data` chunk"),
        ("cut short", wave(&stereo, 25, &DATA), "truncated: 25 octets of samples are promised, 24 are there"),
        ("less than a frame", wave(&stereo, 3, &DATA), "no sample"),
        ("no sample", wave(&stereo, 0, b""), "no sample"),
        ("no sample, and a chunk behind", wave(&stereo, 0, b"LIST\x08\0\0\0not sent"), "no sample"),
        (
            "no sample, two chunks behind",
            wave(&stereo, 0, b"LIST\x03\0\0\0not\0id3 \x01\0\0\0!"),
            "no sample",
        ),
        (
            "no sample in RF64",
            riff(
                b"RF64",
                &[
                    (b"ds64", 28, &[0; 28]),
                    (b"fmt ", 16, &stereo),
                    (b"data", u32::MAX, b""),
                    (b"id3 ", 3, b"end"),
                ],
            ),
            "no sample",
        ),
        ("AU cut in its header", b".snd\0\0\0\x18".to_vec(), "ends within its header"),
        ("AU that begins too early", au_file(8, 24, 3, 44_100, 2, &DATA), "begin within its header"),
        ("AU that begins too late", au_file(1_000_000, 24, 3, 44_100, 2, &DATA), "truncated: 24 octets"),
        ("AU cut short", au_file(24, 25, 3, 44_100, 2, &DATA), "truncated: 25 octets"),
        ("AU 8 bits", au_file(24, 24, 2, 44_100, 2, &DATA), "8-bit samples cannot"),
        ("AU float", au_file(24, 24, 6, 44_100, 2, &DATA), "32-bit floating-point samples cannot"),
        ("AU double", au_file(24, 24, 7, 44_100, 2, &DATA), "64-bit floating-point samples cannot"),
        ("AU ADPCM", au_file(24, 24, 23, 44_100, 2, &DATA), "ADPCM cannot"),
        ("AU of no channels", au_file(24, 24, 3, 44_100, 0, &DATA), "no channels"),
        ("AU of many channels", au_file(24, 24, 3, 44_100, 65_536, &DATA), "65536 channels cannot"),
    ];
    for (case, file, says) in cases {
        let why = parse(&file).expect(case).expect_err(case).to_string();
        assert!(why.contains(says), "{case}: {why}");
    }
    for (case, file) in
        [("RIFF of another kind", b"RIFF....AVI fmt ".as_slice()), ("short", b"RIFF"), ("", b"")]
    {
        assert_eq!(parse(file), None, "{case}");
    }
}

/// Octets that begin as a header does.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let wave = wave(&extensible(1, 2, 4, 16), 24, &DATA);
    let rf64 =
        riff(b"RF64", &[(b"ds64", 28, &[0xff; 28]), (b"fmt ", 16, &[2; 16]), (b"data", u32::MAX, &DATA)]);
    let au = au_file(24, 24, 3, 44_100, 2, &DATA);
    let bent = (
        prop::sample::select(vec![wave, rf64, au]),
        prop::collection::vec((any::<usize>(), any::<u8>()), 0..9),
    );
    bent.prop_map(|(mut file, changes)| {
        for (at, octet) in changes {
            let at = 4 + at % (file.len() - 4);
            file[at] = octet;
        }
        file
    })
}

proptest! {
    #[test]
    fn any_header_has_an_answer_within_the_file(file in hostile(), cut: usize, len: u64) {
        let head = &file[..cut % (file.len() + 1)];
        for len in [head.len() as u64, len] {
            for answer in [wav::parse(head, len), au::parse(head, len)].into_iter().flatten().flatten() {
                let Sound { format, octets, .. } = answer;
                prop_assert!(octets.start < octets.end && octets.end <= len);
                prop_assert_eq!((octets.end - octets.start) % u64::from(format.frame()), 0);
                if let Ok(cut) = format.cut(&Wish::default(), Path::new("a.wav")) {
                    prop_assert_eq!(cut.payload % format.frame(), 0);
                }
            }
        }
    }

    #[test]
    fn a_packet_time_becomes_the_nearest_number_of_samples(
        micros in 1u64..1_000_000, rate in 1u32..400_000, channels in 1u16..64,
    ) {
        let format = Format { coding: Coding::L24, channels, rate };
        let wish = Wish { ptime: Some(Duration::from_micros(micros)), ..Wish::default() };
        if let Ok(cut) = format.cut(&wish, Path::new("a.wav")) {
            let frames = f64::from(cut.payload) / f64::from(format.frame());
            prop_assert!((frames - micros as f64 * f64::from(rate) / 1e6).abs() <= 0.5 + 1e-6);
        }
    }
}

fn cut(format: (Coding, u16, u32), wish: Wish) -> Result<(u8, u32), String> {
    let (coding, channels, rate) = format;
    let cut = Format { coding, channels, rate }.cut(&wish, Path::new("a.wav"));
    cut.map(|Cut { payload_type, payload }| (payload_type, payload)).map_err(|error| error.to_string())
}

#[test]
fn packets_are_as_long_as_rfc_3551_and_aes67_have_them() {
    use Coding::{L16, L24, Pcma, Pcmu};
    let silent = Wish::default();
    let ptime = |micros| Wish { ptime: Some(Duration::from_micros(micros)), ..silent };
    let payload = |octets| Wish { payload: Some(octets), ..silent };
    let pt = |number| Wish { payload_type: Some(number), ..silent };
    let hz = |hertz| Wish { clock_rate: Some(hertz), ..silent };
    let refused = |words: &str| Err(words.to_owned());
    let cases = [
        ((L24, 2, 48_000), silent, Ok((96, 48 * 6))),
        ((L16, 2, 48_000), silent, Ok((96, 48 * 4))),
        ((L24, 8, 96_000), silent, Ok((96, 96 * 24))),
        // AES67: as many samples as at 48 kHz.
        ((L16, 2, 44_100), silent, Ok((10, 48 * 4))),
        ((L16, 1, 44_100), silent, Ok((11, 48 * 2))),
        ((L24, 1, 88_200), silent, Ok((96, 96 * 3))),
        ((Pcmu, 1, 8_000), silent, Ok((0, 160))),
        ((Pcma, 1, 8_000), silent, Ok((8, 160))),
        ((Pcma, 2, 8_000), silent, Ok((96, 320))),
        ((Pcmu, 1, 16_000), silent, Ok((96, 320))),
        // One millisecond would be less than a packet may hold.
        ((L16, 1, 4_000), silent, Ok((96, 16))),
        ((L24, 1, 1), silent, Ok((96, 18))),
        ((L24, 2, 48_000), ptime(125), Ok((96, 6 * 6))),
        ((L24, 2, 48_000), ptime(250), Ok((96, 12 * 6))),
        ((L24, 2, 48_000), ptime(333), Ok((96, 16 * 6))),
        ((L24, 2, 48_000), ptime(4_000), Ok((96, 192 * 6))),
        ((L16, 2, 44_100), ptime(1_090), Ok((10, 48 * 4))),
        ((Pcmu, 1, 8_000), ptime(30_000), Ok((0, 240))),
        ((Pcmu, 1, 8_000), ptime(1_000), refused("--ptime 1 makes packets too small; give 2 or more")),
        ((L24, 1, 48_000), ptime(100), refused("--ptime 0.1 makes packets too small; give 0.125 or more")),
        (
            (L24, 8, 48_000),
            ptime(1_000_000),
            refused("--ptime 1000 makes packets too large; give 56.417 or less"),
        ),
        ((L24, 8, 48_000), payload(480), Ok((96, 480))),
        (
            (L24, 8, 48_000),
            payload(490),
            refused("--payload 490 would cut the samples of a.wav; give a multiple of 24, such as 480"),
        ),
        (
            (L24, 1, 48_000),
            payload(1),
            refused("--payload 1 would cut the samples of a.wav; give a multiple of 3, such as 18"),
        ),
        ((L16, 2, 44_100), pt(97), Ok((97, 192))),
        ((L16, 2, 44_100), hz(44_100), Ok((10, 192))),
        (
            (L16, 2, 44_100),
            hz(90_000),
            refused(
                "--clock-rate 90000 is not the rate of a.wav: RTP counts its 44100 samples a second; leave the option out",
            ),
        ),
        (
            (L16, 2, 44_100),
            pt(0),
            refused(
                "--pt 0 does not stand for a.wav, which is L16/44100/2: leave the option out, or give one from 96 to 127",
            ),
        ),
    ];
    for (format, wish, expected) in cases {
        assert_eq!(cut(format, wish), expected, "{format:?}, {wish:?}");
    }
}

#[test]
fn audio_without_a_header_is_known_by_its_name_or_type() {
    let pt = |payload_type| Wish { payload_type, ..Wish::default() };
    let format = |coding, channels, rate| Some(Format { coding, channels, rate });
    let wide = Wish { clock_rate: Some(16_000), ..Wish::default() };
    let cases = [
        ("a.ulaw", pt(None), format(Coding::Pcmu, 1, 8_000)),
        ("A.ALAW", pt(Some(97)), format(Coding::Pcma, 1, 8_000)),
        ("a.ul", wide, format(Coding::Pcmu, 1, 16_000)),
        ("a.alaw", pt(Some(0)), format(Coding::Pcma, 1, 8_000)),
        ("a.raw", pt(Some(0)), format(Coding::Pcmu, 1, 8_000)),
        ("a", pt(Some(8)), format(Coding::Pcma, 1, 8_000)),
        ("a.raw", pt(Some(10)), format(Coding::L16, 2, 44_100)),
        ("a.raw", pt(Some(11)), format(Coding::L16, 1, 44_100)),
        ("a.raw", pt(Some(96)), None),
        ("a.ts", wide, None),
    ];
    for (path, wish, expected) in cases {
        assert_eq!(raw(Path::new(path), &wish), expected, "{path}, {wish:?}");
    }
}

/// Writes `octets` and opens them: the media, and what its file holds.
fn opened(name: &str, octets: &[u8], wish: &Wish) -> Result<(Media, Vec<u8>), MediaError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    fs::write(&path, octets).expect("room for it");
    let (file, media) = open(&path, wish)?;
    fs::write(&path, vec![0; octets.len()]).expect("room for it");
    let mut found = vec![0; (media.octets.end - media.octets.start) as usize];
    file.read_exact_at(&mut found, media.octets.start).expect("all of it");
    Ok((media, found))
}

#[test]
fn little_endian_audio_is_sent_from_a_copy() {
    let samples: Vec<u8> = (0..240).collect();
    let octets = wave(&fmt(Order::Little, 1, 2, 48_000, 6, 24), 240, &samples);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.wav");
    fs::write(&path, &octets).expect("room for it");
    let (file, media) = open(&path, &Wish::default()).expect("a good one");
    let lies = octets.len() as u64 - 240;
    assert_eq!(media.samples, Some(Samples { coding: Coding::L24, octets: lies..lies + 240 }));
    let plan = Plan::new(media.octets.clone(), media.payload).expect("octets");
    let wish = ClockWish::Even(media.clock.clone().expect("samples are a clock"));
    let mut source = Library::new(None).source(file, path.clone(), &media, plan, true, wish);
    let given_up = source.make_ready(&mut |_, _| false);
    assert!(matches!(given_up, Err(SourceError::Stopped { .. })), "{given_up:?}");
    source.make_ready(&mut |done, all| (done, all) == (240, 240)).expect("room for it");
    // The copy has nothing to do with the file any more.
    fs::write(&path, vec![0; octets.len()]).expect("room for it");
    let batch = plan.batch(0, 9);
    source.prepare(&batch).expect("it is as it was");
    let expected: Vec<u8> = samples.chunks(3).flat_map(|sample| sample.iter().rev().copied()).collect();
    assert_eq!(source.read(&batch).expect("all of it"), expected);
    assert_eq!(source.sums(&batch), [rtp_common::checksum::payload_sum(&expected)]);
    assert_eq!((media.octets.clone(), media.unit, media.payload), (0..240, 6, 288));
    assert_eq!(media.encoding, Some(Encoding { name: "L24", channels: 2 }));
    assert_eq!(media.ptime(), Some(Duration::from_millis(1)));
    let clock = media.clock.expect("samples are a clock");
    assert_eq!((clock.hertz(), clock.known(), clock.span()), (48_000, 240, 40));
}

#[test]
fn audio_in_network_order_is_sent_as_it_lies() {
    let samples: Vec<u8> = (0..240).collect();
    let file = au_file(100, 240, 3, 44_100, 2, &samples);
    let (media, found) = opened("a.au", &file, &Wish::default()).expect("a good one");
    assert_eq!(media.octets, 100..340);
    assert!(media.samples.is_none() && media.payload_type == 10);
    assert_eq!(found, [0; 240], "the file itself, which was written over");
    let clock = media.clock.expect("samples are a clock");
    assert_eq!((clock.stretch(100).expect("known").ticks_at(340), clock.known()), (60, 340));
}

#[test]
fn refusals_name_the_file_and_the_remedy() {
    let stereo = fmt(Order::Little, 1, 2, 44_100, 4, 16);
    let said =
        Wish { payload_type: Some(96), clock_rate: Some(8_000), payload: Some(160), ..Wish::default() };
    let ptime = Wish { ptime: Some(Duration::from_millis(1)), ..said };
    let cases = [
        ("a.wav", wave(&fmt(Order::Little, 3, 2, 44_100, 8, 32), 24, &DATA), said, "ffmpeg -i "),
        ("a b.wav", wave(&stereo, 99, &DATA), Wish::default(), "a b.wav' -c copy NEW.wav`"),
        ("a.wav", riff(b"RIFF", &[]), Wish::default(), "NEW.wav`"),
        ("a.au", au_file(24, 0, 3, 44_100, 2, b""), Wish::default(), "name a file with content"),
        ("a.ulaw", vec![], Wish::default(), "a.ulaw is empty; name a file with content"),
        ("a.bin", vec![1; 99], ptime, "a.bin is not known to be any"),
        (
            "a.wav",
            wave(&stereo, 24, &DATA),
            Wish { payload: Some(8), ..Wish::default() },
            "--payload 8 is out of range",
        ),
    ];
    for (name, octets, wish, says) in cases {
        let message = opened(name, &octets, &wish).expect_err(name).to_string();
        assert!(message.contains(says) && !message.contains('\n'), "{name}: {message}");
    }
}

#[test]
fn packet_times_are_decimal_and_rounded() {
    for (nanoseconds, text) in [
        (1_000_000, "1"),
        (125_000, "0.125"),
        (333_333, "0.333"),
        (1_088_435, "1.088"),
        (1_999_500, "2"),
        (20_000_000, "20"),
        (100_000_000, "100"),
        (5_208, "0.005"),
    ] {
        assert_eq!(milliseconds(Duration::from_nanos(nanoseconds)), text);
    }
}
