import java.io.*; import java.net.*;
class Main { public static void main(String[] args) throws Exception {
    try (var server = new ServerSocket(0, 1, InetAddress.getByName("localhost"))) { new Thread(() -> { try (var one = server.accept()) { one.getOutputStream().write("hello".getBytes()); } catch (IOException e) { e.printStackTrace(); } }).start();
        System.out.println(new String(new Socket("localhost", server.getLocalPort()).getInputStream().readAllBytes())); }
    var child = new ProcessBuilder("sh", "-c", "echo child; exit 3").start(); System.out.print(new String(child.getInputStream().readAllBytes())); System.out.println(child.waitFor()); } }
