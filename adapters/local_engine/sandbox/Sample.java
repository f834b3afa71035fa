import java.io.*;
import java.math.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.function.*;
import java.util.stream.*;

/** Uses common language features, so that compiling it makes the compiler load the classes that most programs need. */
public class Sample {
    interface Shape { double area(); }

    static class Circle implements Shape, Comparable<Circle> {
        private final double radius;

        Circle(double radius) { this.radius = radius; }

        @Override
        public double area() { return Math.PI * radius * radius; }

        @Override
        public int compareTo(Circle other) { return Double.compare(radius, other.radius); }
    }

    enum Color { RED, GREEN { @Override int weight() { return 2; } }; int weight() { return 1; } }

    static <T extends Comparable<T>> T largest(Collection<? extends T> items) {
        T best = null;
        for (T item : items) {
            best = best == null || item.compareTo(best) > 0 ? item : best;
        }
        return best;
    }

    static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

    public static void main(String[] args) throws Exception {
        Map<String, List<Integer>> groups = new TreeMap<>();
        try (Scanner in = new Scanner(System.in); BufferedReader lines = new BufferedReader(new StringReader("a\nb"))) {
            while (in.hasNextInt()) {
                int n = in.nextInt();
                groups.computeIfAbsent(n % 2 == 0 ? "even" : "odd", key -> new ArrayList<>()).add(n);
            }
            for (String line; (line = lines.readLine()) != null; ) System.out.println(line.trim() + args.length);
        } catch (IOException | IllegalStateException error) {
            throw new RuntimeException("no input: " + error.getMessage(), error);
        } finally {
            System.err.printf("%s %d%n", groups, Instant.now().getEpochSecond());
        }
        int[][] table = new int[3][4];
        outer:
        for (int i = 0; i < table.length; i++) {
            for (int j = 0; j < table[i].length; j++) {
                if (j > i) continue outer;
                table[i][j] += i << j ^ ~j;
            }
        }
        Function<Integer, Integer> twice = x -> x * 2;
        BiFunction<Integer, Integer, Integer> sum = Integer::sum;
        System.out.println(groups.values().stream().flatMap(List::stream).map(twice).filter(x -> x > 1)
            .sorted(Comparator.reverseOrder()).collect(Collectors.toList()));
        System.out.println(IntStream.range(0, 9).mapToObj(String::valueOf).collect(Collectors.joining(",")));
        ExecutorService threads = Executors.newFixedThreadPool(2);
        Future<Long> found = threads.submit(() -> 1L + fibonacci(7));
        threads.shutdown();
        AtomicLong counter = new AtomicLong(found.get());
        synchronized (counter) { counter.incrementAndGet(); }
        StringBuilder text = new StringBuilder();
        char letter = 'a';
        do { text.append(letter++).append((byte) 1 + 2L + 3f + 4.0); } while (letter < 'e');
        Runnable anonymous = new Runnable() { @Override public void run() { System.out.println(text.reverse()); } };
        anonymous.run();
        switch (args.length) {
            case 0: System.out.println(largest(Arrays.asList(3, 1, 2))); break;
            default: assert args[0] != null : "never";
        }
        switch (Color.valueOf("RED")) { case RED: break; default: throw new IllegalArgumentException(); }
        switch (text.toString()) { case "a": return; default: }
        Shape shape = new Circle(new BigDecimal("1.5").doubleValue());
        System.out.println(String.format("%.2f %s", shape.area(), sum.apply(1, 2)) + (shape instanceof Circle));
        System.exit(Optional.of(Paths.get(".")).map(Path::getNameCount).orElse(0) > 0 ? 0 : 1);
    }
}

/** A mistake, for the compiler has words for it: they are classes, too. */
class Mistaken {
    int number = "no number".missing();
    String text = 1;
}
