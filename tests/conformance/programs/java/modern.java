import java.nio.file.*; import java.time.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Main { record P(int x, String y) {} sealed interface S permits A, B {} record A() implements S {} record B() implements S {}
    public static void main(String[] args) throws Exception {
        Files.writeString(Path.of("a.txt"), "안녕\n"); System.out.println(Files.size(Path.of("a.txt")) + Files.readString(Path.of("a.txt")).strip());
        System.out.println(IntStream.range(0, 5).boxed().collect(Collectors.groupingBy(n -> n % 2)) + " " + new P(1, "z") + " " + ZonedDateTime.of(2024, 2, 29, 0, 0, 0, 0, ZoneId.of("Asia/Seoul")) + " " + ZoneId.systemDefault().getRules().getOffset(Instant.EPOCH));
        var pool = Executors.newFixedThreadPool(3); System.out.println(pool.invokeAll(List.<Callable<Integer>>of(() -> 1, () -> 2)).stream().map(f -> { try { return f.get(); } catch (Exception e) { return -1; } }).toList()); pool.shutdown();
        System.out.printf("%.2f %s %s%n", Math.PI, switch (new Random(5).nextInt(3)) { case 0 -> "zero"; default -> "more"; }, String.join(",", new TreeSet<>(List.of("b", "a")))); System.out.println(java.nio.charset.Charset.defaultCharset() + " " + System.getProperty("user.dir").equals(Path.of("").toAbsolutePath().toString()));
    } }
