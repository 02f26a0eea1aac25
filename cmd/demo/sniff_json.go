package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// snapshotReport is what "demo sniff --json" prints; its help describes the fields.
type snapshotReport struct {
	Channel  string          `json:"channel"`
	Broker   string          `json:"broker"`
	At       time.Time       `json:"at"`
	Listened int64           `json:"listened_ms"`
	Problems []string        `json:"problems"`
	Queues   []snapshotQueue `json:"queues"`
	Peers    []snapshotPeer  `json:"peers"`
}

type snapshotQueue struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Exists    *bool   `json:"exists"`
	Ready     *int    `json:"ready"`
	Consumers *int    `json:"consumers"`
	Error     *string `json:"error"`
}

type snapshotPeer struct {
	Name       string         `json:"name"`
	UniqueName string         `json:"unique_name"`
	Role       messages.Side  `json:"role"`
	Group      *string        `json:"group"`
	GroupIndex int            `json:"group_index"`
	Principal  bool           `json:"principal"`
	State      *messages.Kind `json:"state"`
	StateSince *time.Time     `json:"state_since"`
	Health     peerHealth     `json:"health"`
	Heard      bool           `json:"heard_live"`
	LastSeen   time.Time      `json:"last_seen"`
	Age        int64          `json:"last_seen_ago_ms"`
	Skew       *int64         `json:"clock_skew_ms"`
	Records    *uint64        `json:"records"`
	Rate       *float64       `json:"records_per_second"`
	Metrics    *sniffMetrics  `json:"metrics"`
	Entries    map[string]any `json:"entries"`
}

func printSnapshot(out io.Writer, r *roster) error {
	s := snapshotReport{Channel: r.channel, Broker: r.broker, At: r.at, Listened: r.at.Sub(r.began).Milliseconds(), Problems: []string{}, Queues: []snapshotQueue{}, Peers: []snapshotPeer{}}
	for _, side := range sniffSides() {
		if why, deaf := r.deaf[side]; deaf {
			s.Problems = append(s.Problems, fmt.Sprintf("%ss cannot be heard: %s", side, why))
		}
	}
	for i := range r.queues {
		s.Queues = append(s.Queues, r.queues[i].report())
	}
	for _, row := range r.peers {
		s.Peers = append(s.Peers, row.report())
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(&s)
}

func (q *queueSeen) report() snapshotQueue {
	s := snapshotQueue{Name: q.name, Type: q.kind()}
	if q.err != nil {
		text := q.err.Error()
		s.Error = &text
	}
	if q.known {
		s.Exists = &q.exists
	}
	if q.known && q.exists && !q.stream {
		s.Ready, s.Consumers = &q.info.Ready, &q.info.Consumers
	}
	return s
}

func (row *peerRow) report() snapshotPeer {
	s := snapshotPeer{Name: row.Context, UniqueName: row.Name, Role: row.Side, GroupIndex: row.GroupIndex, Health: row.health, Heard: row.Heard,
		LastSeen: row.LastSeen, Age: row.age.Milliseconds(), Metrics: row.metrics(), Entries: map[string]any{}}
	if row.Group != "" {
		s.Group, s.Principal = &row.Group, row.GroupIndex == 0
	}
	if row.state != "" {
		s.State = &row.state
	}
	if row.State != "" {
		since := time.UnixMilli(row.Changed)
		s.StateSince = &since
	}
	if ahead, known := row.skew(); known {
		skew := ahead.Milliseconds()
		s.Skew = &skew
	}
	if row.checked > 0 {
		s.Records = &row.records
	}
	if rate, known := row.speed(); known {
		s.Rate = &rate
	}
	for _, e := range row.entries() {
		s.Entries[e.Key] = e.Value
	}
	return s
}
