package main
import ("bufio"; "fmt"; "os"; "sort"; "strings")
func main() {
    count := map[string]int{}
    in := bufio.NewScanner(os.Stdin)
    for in.Scan() { for _, word := range strings.Fields(in.Text()) { count[word]++ } }
    keys := []string{}
    for key := range count { keys = append(keys, key) }
    sort.Strings(keys)
    for _, key := range keys { fmt.Println(key, count[key]) }
    fmt.Println(os.Args[1:]); os.Exit(4)
}
