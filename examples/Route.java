import java.util.*;

/** Finds the shortest way: java Route FROM TO < roads, where a road is "town town kilometres". */
public class Route {
    private final Map<String, Map<String, Integer>> roads = new HashMap<>();

    public static void main(String[] arguments) {
        Route route = new Route();
        Scanner input = new Scanner(System.in);
        while (input.hasNext()) {
            String one = input.next();
            String other = input.next();
            int kilometres = input.nextInt();
            route.roads.computeIfAbsent(one, town -> new HashMap<>()).put(other, kilometres);
            route.roads.computeIfAbsent(other, town -> new HashMap<>()).put(one, kilometres);
        }
        System.out.println(route.shortest(arguments[0], arguments[1]));
    }

    private String shortest(String from, String to) {
        record Stop(int kilometres, List<String> way) {}
        Queue<Stop> next = new PriorityQueue<>(Comparator.comparingInt(Stop::kilometres));
        Set<String> visited = new HashSet<>();
        next.add(new Stop(0, List.of(from)));
        while (!next.isEmpty()) {
            Stop stop = next.remove();
            String town = stop.way().get(stop.way().size() - 1);
            if (town.equals(to)) {
                return stop.kilometres() + " km: " + String.join(" - ", stop.way());
            }
            if (visited.add(town)) {
                roads.getOrDefault(town, Map.of()).forEach((neighbour, kilometres) -> {
                    List<String> way = new ArrayList<>(stop.way());
                    way.add(neighbour);
                    next.add(new Stop(stop.kilometres() + kilometres, way));
                });
            }
        }
        return "no way";
    }
}
