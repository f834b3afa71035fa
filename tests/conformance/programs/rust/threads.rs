use std::{fs, net, sync::{mpsc, Arc, Mutex}, thread, time::Duration, io::{Read, Write}};
fn main() {
    let sum = Arc::new(Mutex::new(0)); let all: Vec<_> = (0..4).map(|n| { let sum = Arc::clone(&sum); thread::spawn(move || *sum.lock().unwrap() += n) }).collect(); for each in all { each.join().unwrap(); }
    let (send, receive) = mpsc::channel(); thread::spawn(move || { thread::sleep(Duration::from_millis(5)); send.send("sent").unwrap(); });
    let server = net::TcpListener::bind("localhost:0").unwrap(); let at = server.local_addr().unwrap(); thread::spawn(move || server.accept().unwrap().0.write_all(b"hello").unwrap()); let mut text = String::new(); net::TcpStream::connect(at).unwrap().read_to_string(&mut text).unwrap();
    fs::write("a.txt", "x").unwrap(); println!("{} {} {} {:?}", sum.lock().unwrap(), receive.recv().unwrap(), text, fs::read_to_string("a.txt"));
}
