package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/d2e2d648/weir/messages"
)

// peerHealth says whether a peer is there.
type peerHealth string

const (
	healthy   peerHealth = "healthy"
	late      peerHealth = "late"      // heard live, but not for three health checks
	unhealthy peerHealth = "unhealthy" // heard live, but not for 120 s
	unheard   peerHealth = "unheard"   // known from history, and has some time left to be heard
	history   peerHealth = "history"   // known from history, and was not heard in that time
	closed    peerHealth = "closed"    // it has said so
)

func (h peerHealth) gone() bool { return h == unhealthy || h == history || h == closed }

// peerRow is a peer and what several looks at it have shown.
type peerRow struct {
	messages.Peer
	// times are the newest of each kind. Peer.Times and Payload go back while history is read behind live statuses.
	times    messages.KindTimes
	since    time.Time // of the first look that showed it
	said     int64     // up to when the states were told
	told     bool      // that it is there
	state    messages.Kind
	health   peerHealth
	age      time.Duration // since it was last seen
	payload  messages.Payload
	records  uint64
	checked  int64         // when its newest health check was, by its own clock; 0: there was none
	interval time.Duration // between the last two
	rate     float64       // records a second between them
	rated    bool
	skews    []time.Duration // that its last live messages have shown
}

// skewsKept is how many messages the clock's skew is taken from: the delay of each makes the clock look behind, so the one that came fastest tells it best.
const skewsKept = 10

func (row *peerRow) update(p *messages.Peer, now time.Time) {
	if p.Heard && !p.LastSeen.Equal(row.LastSeen) {
		row.skews = append(row.skews, p.Skew)
		row.skews = row.skews[max(0, len(row.skews)-skewsKept):]
	}
	row.Peer = *p
	for _, k := range append(stateKinds(), messages.StatusHealthCheck, messages.StatusWaitingForSchema) {
		row.times.Set(k, max(row.times.At(k), p.Times.At(k)))
	}
	row.takeCheck(p)
	if !row.told {
		row.state = row.now()
	}
	row.age = max(0, now.Sub(p.LastSeen))
	row.health = row.judge()
}

// stateWithin is how long a peer that is heard may take to be known by its state, which its history tells.
const stateWithin = 2 * time.Second

// settled says that enough is known of the peer to tell that it is there.
func (row *peerRow) settled(now time.Time) bool {
	if row.Heard {
		return row.state != "" || now.Sub(row.since) >= stateWithin
	}
	return !row.Awaited
}

// skew is how far the peer's clock is ahead of ours.
func (row *peerRow) skew() (ahead time.Duration, known bool) {
	if len(row.skews) == 0 {
		return 0, false
	}
	return slices.Max(row.skews), true
}

// now gives the peer's state. One whose live health check arrived before its history had been read is not initialised in Peer.State, although its history tells the state.
func (row *peerRow) now() (state messages.Kind) {
	if row.State != "" {
		return row.State
	}
	newest := int64(0)
	for _, k := range stateKinds() {
		if at := row.times.At(k); at > 0 && at >= newest {
			state, newest = k, at
		}
	}
	return state
}

func (row *peerRow) judge() peerHealth {
	switch {
	case row.state == messages.StatusClosed:
		return closed
	case !row.Heard && row.Awaited:
		return unheard
	case !row.Heard:
		return history
	case !row.Healthy:
		return unhealthy
	case row.age > row.patience():
		return late
	}
	return healthy
}

// patience is how long a peer may be silent until it is late: three of its own health intervals, as far as they are known.
func (row *peerRow) patience() time.Duration { return max(sniffListen, 3*row.interval) }

// takeCheck takes in a health check that is newer than the last one.
func (row *peerRow) takeCheck(p *messages.Peer) {
	at := p.Times.At(messages.StatusHealthCheck)
	if at <= row.checked {
		return
	}
	records := countOf(p.Payload)
	first := row.checked == 0 || row.times.At(messages.StatusOpened) > row.checked || records < row.records // it began anew
	passed := time.Duration(at-row.checked) * time.Millisecond
	if row.rated = !first; row.rated {
		row.interval = passed
		row.rate = float64(records-row.records) / passed.Seconds()
	}
	row.checked, row.records, row.payload = at, records, p.Payload
}

// countOf is 0 where there is none: endpoints leave it out until there was a record.
func countOf(p messages.Payload) uint64 {
	for _, key := range []string{messages.ReceivedRecordCount, messages.SentRecordCount} {
		if f, ok := figure(p, key); ok && f >= 0 && f < math.MaxInt64 {
			return uint64(f)
		}
	}
	return 0
}

// figure gives a number of a payload.
func figure(p messages.Payload, key string) (float64, bool) {
	v, _ := p.Get(key)
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := n.Float64()
	return f, err == nil
}

// current says that the figures of the last health check are of now.
func (row *peerRow) current() bool {
	return row.health == healthy && row.state != messages.StatusStopped && row.state != messages.StatusError
}

// speed is the peer's records a second.
func (row *peerRow) speed() (rate float64, known bool) {
	return row.rate, row.rated && row.current()
}

// sniffMetrics are the averages that a health check carries.
type sniffMetrics struct {
	SinceLast float64 `json:"since_last_call_ms"`
	PerCall   float64 `json:"ms_per_call"`
	PerRecord float64 `json:"ms_per_record"`
	Records   float64 `json:"records_per_call"`
}

// metricKeys are those of a reader and of a writer, in the order of sniffMetrics.
func metricKeys() [2][4]string {
	return [2][4]string{
		{"elapsedTimeSinceLastReadCycleMs", "averageTimePerReadCycleMs", "averageTimePerReadRecordMs", "averageRecordPerReadCycle"},
		{"elapsedTimeSinceLastOutputCycleMs", "averageTimePerOutputCycleMs", "averageTimePerOutputRecordMs", "averageRecordPerOutputCycle"},
	}
}

// metrics gives the averages, where all are there.
func (row *peerRow) metrics() *sniffMetrics {
	for _, keys := range metricKeys() {
		m, found := &sniffMetrics{}, 0
		for i, into := range []*float64{&m.SinceLast, &m.PerCall, &m.PerRecord, &m.Records} {
			if f, ok := figure(row.payload, keys[i]); ok {
				*into = f
				found++
			}
		}
		if found == len(keys) {
			return m
		}
	}
	return nil
}

// entries gives what the health check carries beside counts and metrics.
func (row *peerRow) entries() (custom messages.Payload) {
	keys := metricKeys()
	for _, e := range row.payload {
		if e.Key != messages.ReceivedRecordCount && e.Key != messages.SentRecordCount && !slices.Contains(keys[0][:], e.Key) && !slices.Contains(keys[1][:], e.Key) {
			custom = append(custom, e)
		}
	}
	return custom
}

// awaitsSchema says that the peer's last health check came with the word that it waits for a schema.
func (row *peerRow) awaitsSchema() bool {
	at := row.times.At(messages.StatusWaitingForSchema)
	return at > 0 && at >= row.checked && row.current()
}

func (row *peerRow) tell() {
	row.told = true
	for _, k := range stateKinds() {
		row.said = max(row.said, row.times.At(k))
	}
}

// changes tells the states that the peer went through since the last look. What it said before the sniffing began is no news, although it may be heard of later than what it says now.
func (row *peerRow) changes(began, now time.Time) (news []sniffNews) {
	ahead, _ := row.skew()
	earliest := began.Add(ahead).UnixMilli()
	kinds := slices.DeleteFunc(stateKinds(), func(k messages.Kind) bool { return row.times.At(k) <= row.said || row.times.At(k) < earliest })
	slices.SortStableFunc(kinds, func(a, b messages.Kind) int { return cmp.Compare(row.times.At(a), row.times.At(b)) })
	path := []string{stateText(row.state)}
	become := func(k messages.Kind) {
		if k == row.state {
			return
		}
		if row.state = k; row.times.At(k) >= earliest {
			path = append(path, stateText(k))
		}
	}
	for _, k := range kinds {
		if row.state != messages.StatusError || k == messages.StatusOpened || k == messages.StatusStarted {
			become(k)
		}
	}
	become(row.now())
	row.tell()
	row.health = row.judge()
	if len(path) > 1 {
		news = append(news, sniffNews{now, moodOf(row.state), row.who() + ": " + strings.Join(path, " → ")})
	}
	return news
}

func moodOf(k messages.Kind) mood {
	switch k {
	case messages.StatusStarted:
		return good
	case messages.StatusError:
		return bad
	}
	return neutral
}

func stateText(k messages.Kind) string {
	if k == "" {
		return "new" // it has said no state yet
	}
	return strings.ToLower(string(k))
}

// who names a peer within its channel.
func (row *peerRow) who() string {
	if row.Group == "" {
		return fmt.Sprintf("%s (%s)", printable(row.Context), row.Side)
	}
	return fmt.Sprintf("%s (%s, %s)", printable(row.Context), row.Side, row.group())
}

// group names the peer's place in its group; the principal is marked.
func (row *peerRow) group() string {
	if row.Group == "" {
		return ""
	}
	text := fmt.Sprintf("%s %d", printable(row.Group), row.GroupIndex)
	if row.GroupIndex == 0 {
		text += "*"
	}
	return text
}

func (row *peerRow) appeared(now time.Time) sniffNews {
	text := fmt.Sprintf("%s is there: %s, %s", row.who(), stateText(row.state), row.healthText())
	switch row.health {
	case healthy:
		return sniffNews{now, good, text}
	case closed:
		return sniffNews{now, neutral, fmt.Sprintf("%s is closed", row.who())}
	case history:
		return sniffNews{now, neutral, fmt.Sprintf("%s is known from history only: %s, %s ago", row.who(), stateText(row.state), ago(row.age))}
	}
	return sniffNews{now, neutral, text}
}

// healthNews tells what the health has become; closing and opening again are told as states.
func (row *peerRow) healthNews(was peerHealth, now time.Time) []sniffNews {
	switch {
	case row.health == late || row.health == unhealthy:
		return []sniffNews{{now, bad, fmt.Sprintf("%s is %s: last heard %s ago", row.who(), row.health, ago(row.age))}}
	case row.health == healthy && was == history:
		return []sniffNews{{now, good, row.who() + " is heard now: healthy"}}
	case row.health == healthy && was != closed:
		return []sniffNews{{now, good, row.who() + " is healthy again"}}
	}
	return nil
}

func (row *peerRow) healthText() string {
	if row.health == history {
		return "history only"
	}
	return string(row.health)
}
