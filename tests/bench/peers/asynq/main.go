// asynq as a row of the round trips: `asynq worker`, and `asynq --jobs N --window W --body BYTES --rate PER_S`, told and saying the same as
// bench_jobs. asynq tells nobody when a task has ended (its inspector is asked, task by task), so that the handler puts the answer into a list of
// Redis that the client waits at, as many of its users do.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

const (
	queue     = "bench"
	answers   = "bench:answers"
	enqueuers = 64 // each waits for Redis
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func work(url string, store *redis.Client) {
	to, err := asynq.ParseRedisURI(url)
	check(err)
	server := asynq.NewServer(to, asynq.Config{
		Concurrency:       256,
		Queues:            map[string]int{queue: 1},
		TaskCheckInterval: time.Millisecond, // its pause when a queue was empty, 1 s by default
		LogLevel:          asynq.ErrorLevel,
	})
	check(server.Run(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		return store.RPush(ctx, answers, id+" "+string(task.Payload())).Err()
	})))
}

type load struct {
	jobs, window, body int
	rate               float64
	due                []time.Time
	took               []time.Duration
	first, last        time.Time
}

func (l *load) send(run string, client *asynq.Client, room chan struct{}) {
	body := []byte(strings.Repeat("x", l.body))
	numbers := make(chan int)
	for range enqueuers {
		go func() {
			for n := range numbers {
				_, err := client.Enqueue(asynq.NewTask("echo", body), asynq.Queue(queue), asynq.MaxRetry(0),
					asynq.TaskID(run+strconv.Itoa(n)))
				check(err)
			}
		}()
	}
	for n := range l.jobs {
		room <- struct{}{}
		due := time.Now()
		if l.rate > 0 {
			due = l.first.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
			time.Sleep(time.Until(due))
		}
		l.due[n] = due
		numbers <- n
	}
	close(numbers)
}

func (l *load) collect(run string, store *redis.Client, room chan struct{}) {
	body := strings.Repeat("x", l.body)
	for len(l.took) < l.jobs {
		_, found, err := store.BLMPop(context.Background(), time.Minute, "left", 500, answers).Result()
		check(err)
		for _, answer := range found {
			id, text, _ := strings.Cut(answer, " ")
			if !strings.HasPrefix(id, run) {
				continue
			}
			if text != body {
				log.Fatalf("an answer is not what was sent: %.80q", text)
			}
			n, err := strconv.Atoi(id[len(run):])
			check(err)
			l.last = time.Now()
			l.took = append(l.took, l.last.Sub(l.due[n]))
			<-room
		}
	}
}

func (l *load) report() {
	sort.Slice(l.took, func(a, b int) bool { return l.took[a] < l.took[b] })
	ms := func(p int) float64 { return l.took[(len(l.took)-1)*p/100].Seconds() * 1000 }
	seconds := l.last.Sub(l.first).Seconds()
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"done": len(l.took), "jobs": l.jobs, "jobs_per_s": float64(len(l.took)) / seconds, "seconds": seconds,
		"p50_ms": ms(50), "p95_ms": ms(95), "p99_ms": ms(99), "max_ms": ms(100),
	}))
}

func main() {
	var l load
	flag.IntVar(&l.jobs, "jobs", 10000, "")
	flag.IntVar(&l.window, "window", 500, "")
	flag.IntVar(&l.body, "body", 512, "")
	flag.Float64Var(&l.rate, "rate", 0, "")
	flag.Parse()
	url := os.Getenv("BENCH_REDIS")
	options, err := redis.ParseURL(url)
	check(err)
	store := redis.NewClient(options)
	if flag.Arg(0) == "worker" {
		work(url, store)
		return
	}
	to, err := asynq.ParseRedisURI(url)
	check(err)
	client := asynq.NewClient(to)
	l.due = make([]time.Time, l.jobs)
	run := fmt.Sprintf("%d-%d-", os.Getpid(), time.Now().UnixNano())
	room := make(chan struct{}, l.window)
	l.first = time.Now()
	go l.send(run, client, room)
	l.collect(run, store, room)
	l.report()
}
