package main
import ("fmt"; "net"; "os"; "os/user"; "sync"; "time")
func main() {
    results := make(chan int); var group sync.WaitGroup
    for n := 0; n < 4; n++ { group.Add(1); go func(n int) { defer group.Done(); results <- n * n }(n) }
    go func() { group.Wait(); close(results) }()
    sum := 0; for n := range results { sum += n }
    server, err := net.Listen("tcp", "localhost:0"); if err != nil { panic(err) }
    go func() { one, _ := server.Accept(); fmt.Fprint(one, "hello"); one.Close() }()
    client, _ := net.Dial("tcp", server.Addr().String()); text := make([]byte, 9); n, _ := client.Read(text)
    me, err := user.Current(); zone, _ := time.LoadLocation("Asia/Seoul")
    fmt.Println(sum, string(text[:n]), me != nil, err, time.Unix(0, 0).In(zone), time.Unix(0, 0).Location())
    os.WriteFile("a.txt", []byte("x"), 0o644); select { case <-time.After(10 * time.Millisecond): fmt.Println("late") }
}
