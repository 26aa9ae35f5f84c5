//! proto
use aya::programs::{LinkOrder, TcAttachType, tc::TcAttachOptions};
use krtp::{
    engine::kernel::*,
    kernel::{object::*, segmenter},
    net::{netlink::Netlink, socket::*},
};
use rtp_common::{checksum::payload_sum, flow::FlowState, header::Header};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::AsRawFd,
    time::Instant,
};

fn cpu() -> f64 {
    unsafe {
        let mut u: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut u);
        (u.ru_utime.tv_sec + u.ru_stime.tv_sec) as f64 * 1e9
            + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) as f64 * 1e3
    }
}

const P: usize = 1316;
fn main() -> anyhow::Result<()> {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let iface = std::env::args().nth(1).unwrap();
    let dest: std::net::SocketAddr = std::env::args().nth(2).unwrap().parse()?;
    let path = std::env::args().nth(3).unwrap();
    let prefetch = std::env::args().nth(4).as_deref() == Some("prefetch");
    let file = File::open(&path)?;
    let size = file.metadata()?.len() as usize / P * P;
    let mmap = unsafe { memmap2::Mmap::map(&file)? };
    let sums: Vec<u16> = mmap[..size].chunks(P).map(payload_sum).collect();
    let mut object = Object::load(4)?;
    let seg = rt.block_on(async {
        let nl = Netlink::open()?;
        let link = nl.link_by_name(&iface).await?.unwrap();
        println!("{link:?}");
        segmenter::create(&nl, &link, segmenter::Holder::Process(krtp::process::Process::own()))
            .await
            .map_err(anyhow::Error::from)
    })?;
    object.program(EGRESS)?.attach_with_options(
        &iface,
        TcAttachType::Egress,
        TcAttachOptions::TcxOrder(LinkOrder::first()),
    )?;
    let open = || {
        FlowSocket::open(&Options { destination: dest, source: None, interface: None, ttl: None, dscp: None })
    };
    let socket = open()?;
    socket.set_segment(P as u16)?;
    socket.set_send_buffer(4 << 20)?;
    let mut flow = KernelFlow::open(
        &mut object.maps,
        socket,
        FlowState {
            ssrc: 0x12345678,
            first_sequence: 7,
            payload_type: 33,
            family: 4,
            segmenter: seg,
            checksum: 1,
            payload: P as u32,
            ..Default::default()
        },
    )?;
    let maps = &object.maps;
    let n = batch_packets(P);
    let gso = open()?;
    gso.set_segment((P + 12) as u16)?;
    let wr = open()?;
    let packets = size / P;
    let mut dummy = 0u8;
    for round in 0..3 {
        let t = cpu();
        for (i, chunk) in sums.chunks(n).enumerate() {
            let off = i * n * P;
            if prefetch {
                for k in 0..chunk.len() {
                    unsafe {
                        std::arch::x86_64::_mm_prefetch::<0>(mmap.as_ptr().add(off + k * P).cast());
                    }
                }
            }
            flow.send(maps, &file, off as u64, chunk.len() * P, chunk)?;
        }
        let krtp = (cpu() - t) / packets as f64;
        let t = cpu();
        // user gso copy
        let mut hdrs = vec![[0u8; 12]; 48];
        let mut seq = 0u16;
        for (i, chunk) in mmap[..size].chunks(48 * P).enumerate() {
            let mut iov = Vec::with_capacity(96);
            let k = chunk.len() / P;
            for j in 0..k {
                hdrs[j] =
                    Header { payload_type: 33, marker: false, sequence: seq, timestamp: i as u32, ssrc: 1 }
                        .to_bytes();
                seq = seq.wrapping_add(1);
                iov.push(libc::iovec { iov_base: hdrs[j].as_mut_ptr().cast(), iov_len: 12 });
                iov.push(libc::iovec { iov_base: chunk[j * P..].as_ptr() as *mut _, iov_len: P });
            }
            let m = libc::msghdr {
                msg_name: std::ptr::null_mut(),
                msg_namelen: 0,
                msg_iov: iov.as_mut_ptr(),
                msg_iovlen: iov.len(),
                msg_control: std::ptr::null_mut(),
                msg_controllen: 0,
                msg_flags: 0,
            };
            let r = unsafe { libc::sendmsg(gso.as_raw_fd(), &m, 0) };
            assert!(r > 0, "{}", std::io::Error::last_os_error());
        }
        let ugso = (cpu() - t) / packets as f64;
        // read_writev
        let quarter = packets / 4;
        let t = cpu();
        let mut f2 = File::open(&path)?;
        let mut buf = [0u8; P];
        for i in 0..quarter {
            f2.read_exact(&mut buf)?;
            let h = Header { payload_type: 33, marker: false, sequence: i as u16, timestamp: 0, ssrc: 1 }
                .to_bytes();
            let iov = [
                libc::iovec { iov_base: h.as_ptr() as *mut _, iov_len: 12 },
                libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: P },
            ];
            let r = unsafe { libc::writev(wr.as_raw_fd(), iov.as_ptr(), 2) };
            assert!(r > 0);
        }
        let rwv = (cpu() - t) / quarter as f64;
        let t = cpu();
        let mut off = 0i64;
        for i in 0..quarter {
            let h = Header { payload_type: 33, marker: false, sequence: i as u16, timestamp: 0, ssrc: 1 }
                .to_bytes();
            unsafe {
                assert!(libc::send(wr.as_raw_fd(), h.as_ptr().cast(), 12, libc::MSG_MORE) > 0);
                assert!(libc::sendfile(wr.as_raw_fd(), file.as_raw_fd(), &mut off, P) > 0);
            }
        }
        let rsf = (cpu() - t) / quarter as f64;
        println!(
            "round {round}: krtp {krtp:.0} ugso {ugso:.0} read_writev {rwv:.0} rtp_sendfile {rsf:.0}  krtp/rwv {:.3} krtp/rsf {:.3} krtp/ugso {:.2} {dummy}",
            krtp / rwv,
            krtp / rsf,
            krtp / ugso
        );
        dummy = dummy.wrapping_add(1);
    }
    let s = maps.flows.read(flow.slot());
    println!(
        "packets {} octets {} drops {:?} calls {} batches {}",
        s.packets, s.octets, s.drops, flow.calls, s.batches
    );
    let _ = std::io::stdout().flush();
    let _ = Instant::now();
    rt.block_on(async {
        let nl = Netlink::open()?;
        nl.remove_link(seg).await
    })?;
    Ok(())
}
