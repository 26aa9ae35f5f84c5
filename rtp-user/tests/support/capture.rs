//! What passes an interface, frame by frame, taken by a packet socket.

use super::{LOOK, Namespace, packet::Datagram, slowness};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use std::{
    fs,
    io::{self, Read},
    net::{Ipv6Addr, SocketAddr},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Room for a whole stream, should the reader be kept waiting.
const BUFFER: usize = 256 << 20;
/// How long a datagram may be under way after its sender has ended.
const TRANSIT: Duration = Duration::from_secs(10);
/// How often the reader looks whether it is to end.
const TURN: Duration = Duration::from_millis(20);
/// `ETH_P_ALL` (`linux/if_ether.h`).
const ALL: u16 = 3;

/// When each frame came, and its octets.
type Frames = Arc<Mutex<Vec<(Instant, Vec<u8>)>>>;

/// Takes every frame that comes in at one interface, until it is dropped.
#[derive(Debug)]
pub struct Capture {
    frames: Frames,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    /// Keeps the port open: its host answers nothing with "port unreachable".
    sinks: Vec<Socket>,
}

impl Capture {
    /// Listens at `interface`, and keeps `ports` open.
    pub fn start(namespace: &Namespace, interface: &str, ports: &[u16]) -> Self {
        let index = namespace.index_of(interface);
        let (socket, sinks) = namespace.inside(|| {
            (
                open(index).expect("root may open packet sockets"),
                ports.iter().map(|port| sink(*port)).collect(),
            )
        });
        let frames = Frames::default();
        let stop = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (frames, stop) = (Arc::clone(&frames), Arc::clone(&stop));
            move || read(socket, &frames, &stop)
        });
        Self { frames, stop, reader: Some(reader), sinks }
    }

    /// All datagrams so far.
    pub fn all(&self) -> Vec<Datagram> {
        let frames = self.frames.lock().expect("the reader does not panic");
        frames.iter().filter_map(|(at, frame)| Datagram::parse(*at, frame)).collect()
    }

    /// Those to `destination`.
    pub fn so_far(&self, destination: SocketAddr) -> Vec<Datagram> {
        let mut all = self.all();
        all.retain(|read| read.destination == destination);
        all
    }

    /// How many frames so far, of whatever kind.
    pub fn len(&self) -> usize {
        self.frames.lock().expect("the reader does not panic").len()
    }

    /// The datagrams to `destination`, when `count` of them have come. Their
    /// sender has ended: fewer, after a while, is a loss.
    #[track_caller]
    pub fn datagrams(&self, destination: SocketAddr, count: usize) -> Vec<Datagram> {
        let deadline = Instant::now() + TRANSIT * slowness();
        while self.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} frames came", self.len());
            thread::sleep(LOOK);
        }
        loop {
            let datagrams = self.so_far(destination);
            if datagrams.len() >= count {
                return datagrams;
            }
            let came = datagrams.len();
            assert!(Instant::now() < deadline, "{came} of {count} datagrams to {destination} came");
            thread::sleep(TURN);
        }
    }

    /// Writes all frames as a pcap file, for a reader that is not ours.
    pub fn save(&self, path: &Path) {
        // Microseconds; version 2.4; no zone, no accuracy; whole frames; Ethernet.
        let mut file = 0xa1b2_c3d4_u32.to_ne_bytes().to_vec();
        file.extend([2u16, 4].iter().flat_map(|half| half.to_ne_bytes()));
        file.extend([0u32, 0, 1 << 17, 1].iter().flat_map(|word| word.to_ne_bytes()));
        for (number, (_, frame)) in (0..).zip(self.frames.lock().expect("the reader does not panic").iter()) {
            let length = u32::try_from(frame.len()).expect("a frame");
            for word in [number, 0, length, length] {
                file.extend(u32::to_ne_bytes(word));
            }
            file.extend(frame);
        }
        fs::write(path, file).expect("a file of the test's own");
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A packet socket at the interface of that index, whose reads end after a while.
pub fn open(index: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    set_socket_recv_buffer_size_force(&socket, BUFFER)?;
    socket.set_read_timeout(Some(TURN))?;
    ignore_outgoing(&socket)?;
    socket.bind(&packet_address(index))?;
    Ok(socket)
}

/// A socket on `port` of both families. Another test's child may hold the one
/// before for a moment, between `fork` and `exec`.
fn sink(port: u16) -> Socket {
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).expect("UDP");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into()).expect("a namespace of our own");
    socket
}

/// What leaves the interface would be seen a second time on a loopback.
fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let on = 1i32;
    // SAFETY: `on` is readable for its length.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The address of all protocols at one interface.
fn packet_address(index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: any address fits the storage, and zeroed it is a valid one.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ALL.to_be();
    address.sll_ifindex = index.cast_signed();
    // SAFETY: the storage holds a `sockaddr_ll`, written above.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as libc::socklen_t) }
}

/// A test bounds what it captures, and must not take the host's memory.
const MOST: usize = 1 << 30;

fn read(mut socket: Socket, frames: &Mutex<Vec<(Instant, Vec<u8>)>>, stop: &AtomicBool) {
    let mut buffer = vec![0; 1 << 17];
    let mut taken = 0;
    while !stop.load(Ordering::Acquire) {
        match socket.read(&mut buffer) {
            Ok(octets) => {
                taken += octets;
                assert!(taken < MOST, "more than {MOST} octets captured");
                let frame = (Instant::now(), buffer[..octets].to_vec());
                frames.lock().expect("nobody panics with it").push(frame);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // The interface went down or away under a test that wants just that.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENETDOWN)) => {}
            Err(error) => panic!("the packet socket: {error}"),
        }
    }
}
