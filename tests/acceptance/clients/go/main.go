// Segment's client for Go: `clients ADDRESS WRITE_KEY`, and then as `send.cjs`.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/segmentio/analytics-go/v3"
)

type command struct {
	Calls  [][2]json.RawMessage
	Tracks [2]int
	End    bool
}

// outcomes waits for each message that was handed over: Close drops what is still to be sent again.
type outcomes struct {
	waiting  sync.WaitGroup
	lock     sync.Mutex
	failures []string
}

func (each *outcomes) Success(analytics.Message) { each.waiting.Done() }

func (each *outcomes) Failure(_ analytics.Message, err error) {
	each.fail(err)
	each.waiting.Done()
}

func (each *outcomes) fail(err error) {
	each.lock.Lock()
	defer each.lock.Unlock()
	each.failures = append(each.failures, err.Error())
}

func (each *outcomes) print() {
	each.lock.Lock()
	defer each.lock.Unlock()
	json.NewEncoder(os.Stdout).Encode(map[string][]string{"failures": each.failures})
}

// message reads a call's message into the client's own type, whose fields have the names of the Tracking API.
func message(call string, body json.RawMessage) (analytics.Message, error) {
	known := map[string]analytics.Message{
		"identify": &analytics.Identify{},
		"track":    &analytics.Track{},
		"page":     &analytics.Page{},
		"screen":   &analytics.Screen{},
		"group":    &analytics.Group{},
		"alias":    &analytics.Alias{},
	}[call]
	if known == nil {
		return nil, fmt.Errorf("no call %q", call)
	}
	if err := json.Unmarshal(body, known); err != nil {
		return nil, err
	}
	categorize(known, body)
	return known, nil
}

// categorize puts the category among the properties: this client's pages and screens have no field for it.
func categorize(known analytics.Message, body json.RawMessage) {
	var given struct{ Category string }
	json.Unmarshal(body, &given)
	switch each := known.(type) {
	case *analytics.Page:
		each.Properties.Set("category", given.Category)
	case *analytics.Screen:
		each.Properties.Set("category", given.Category)
	}
}

func main() {
	seen := &outcomes{failures: []string{}}
	client, err := analytics.NewWithConfig(os.Args[2], analytics.Config{
		Endpoint:  os.Args[1],
		Interval:  100 * time.Millisecond,
		BatchSize: 20,
		Callback:  seen,
		Logger:    analytics.StdLogger(log.New(io.Discard, "", 0)),
	})
	if err != nil {
		log.Fatal(err)
	}
	enqueue := func(each analytics.Message) {
		seen.waiting.Add(1)
		if err := client.Enqueue(each); err != nil {
			seen.Failure(each, err)
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var asked command
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			log.Fatal(err)
		}
		for _, each := range asked.Calls {
			var call string
			json.Unmarshal(each[0], &call)
			if made, err := message(call, each[1]); err != nil {
				seen.fail(err)
			} else {
				enqueue(made)
			}
		}
		for number := asked.Tracks[0]; number < asked.Tracks[1]; number++ {
			enqueue(analytics.Track{
				UserId:     "streamer",
				Event:      "Streamed",
				Properties: analytics.NewProperties().Set("number", number),
			})
		}
		if asked.End {
			seen.waiting.Wait()
			client.Close()
		}
		seen.print()
	}
}
