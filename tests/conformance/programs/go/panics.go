package main
import "fmt"
func main() { defer fmt.Println("deferred"); var none map[string]int; none["x"] = 1 }
