import java.util.*;
public class Main { public static void main(String[] args) { var in = new Scanner(System.in); var count = new TreeMap<String, Integer>(); while (in.hasNext()) count.merge(in.next(), 1, Integer::sum); System.out.println(count); System.out.println(Arrays.toString(args)); System.exit(count.size() % 5); } }
