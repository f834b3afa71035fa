import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compiles one program with a compiler that is already warmed up by compiling another one.
 *
 * The arguments are those of javac, except that the last one is a placeholder for the source file. The first line
 * of stdin is the name of the source file and the rest is its content. The class files are written to stdout as a
 * tar archive, and the compiler's messages to stderr. The exit status is 0, or 64 plus the status of the compiler.
 */
public class Compiler {
    private static final int BLOCK = 512;
    private static final int FAILED = 64;

    public static void main(String[] args) throws IOException {
        if (System.in.available() == 0) {
            compile(args, "Compiler.java");
        }
        for (Path file : files()) {
            Files.delete(file);
        }
        byte[] request = System.in.readAllBytes();
        int end = 0;
        while (request[end] != '\n') {
            end++;
        }
        String source = new String(request, 0, end, StandardCharsets.UTF_8);
        Files.write(Path.of(source), Arrays.copyOfRange(request, end + 1, request.length));
        int status = compile(args, source);
        if (status == 0) {
            Files.delete(Path.of(source));
            pack(System.out);
        }
        System.exit(status == 0 ? 0 : FAILED + status);
    }

    private static int compile(String[] args, String source) {
        args[args.length - 1] = source;
        return com.sun.tools.javac.Main.compile(args, new PrintWriter(System.err, true));
    }

    private static List<Path> files() throws IOException {
        try (Stream<Path> paths = Files.walk(Path.of("."))) {
            return paths.filter(Files::isRegularFile).collect(Collectors.toList());
        }
    }

    /** Writes all files in the format of GNU tar, which stores a name of any length in an entry before the file. */
    private static void pack(OutputStream out) throws IOException {
        for (Path file : files()) {
            byte[] name = file.toString().getBytes(StandardCharsets.UTF_8);
            write(out, 'L', Arrays.copyOf(name, name.length + 1));
            write(out, '0', Files.readAllBytes(file));
        }
        out.write(new byte[2 * BLOCK]);
        out.flush();
    }

    private static void write(OutputStream out, char type, byte[] content) throws IOException {
        byte[] header = new byte[BLOCK];
        put(header, 0, "-");
        put(header, 100, "0000600");
        put(header, 108, "0000000");
        put(header, 116, "0000000");
        put(header, 124, String.format("%011o", content.length));
        put(header, 136, "00000000000");
        put(header, 148, "        " + type + "ustar  ");
        int sum = 0;
        for (byte each : header) {
            sum += each;
        }
        put(header, 148, String.format("%06o\0", sum));
        out.write(header);
        out.write(content);
        out.write(new byte[(BLOCK - content.length % BLOCK) % BLOCK]);
    }

    private static void put(byte[] header, int offset, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        System.arraycopy(bytes, 0, header, offset, bytes.length);
    }
}
