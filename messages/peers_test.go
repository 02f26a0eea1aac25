package messages

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// A peer of the zoo is named by what it is: "w" or "r", its state's letter ("-": none), "+" healthy or "!" not, and its group's name. So "wS+" is a healthy writer that has started.
func animal(name string) Peer {
	states := map[byte]Kind{'-': "", 'O': StatusOpened, 'S': StatusStarted, 'X': StatusStopped, 'C': StatusClosed, 'E': StatusError}
	side := Reading
	if name[0] == 'w' {
		side = Writing
	}
	return Peer{Endpoint: Endpoint{Side: side, Name: "C@" + name, Context: name, Group: name[3:]}, State: states[name[1]], Healthy: name[2] == '+'}
}

func zoo(self Endpoint, size int, names ...string) Peers {
	p := Peers{Self: self, GroupSize: size}
	for _, name := range names {
		p.All = append(p.All, animal(name))
	}
	return p
}

// everyone is each state, healthy and not, on each side, in no group, in ours and in another.
func everyone() (names []string) {
	for _, side := range "rw" {
		for _, state := range "-OSXCE" {
			for _, health := range "+!" {
				for _, group := range []string{"", "ours", "other"} {
					names = append(names, fmt.Sprintf("%c%c%c%s", side, state, health, group))
				}
			}
		}
	}
	return names
}

// The questions of pypz ask about all peers, whatever their side and group: so each answer is told by the few that decide it.
func TestQuestionsAboutPeers(t *testing.T) {
	questions := []struct {
		name string
		ask  func(Peers) bool
		yes  []string // each alone makes it true, and no other does
	}{
		{"any healthy", Peers.AnyHealthy, []string{"-+", "O+", "S+", "X+", "C+", "E+"}},
		{"any unhealthy", Peers.AnyUnhealthy, []string{"-!", "O!", "S!", "X!", "C!", "E!"}},
		{"any healthy and not stopped", Peers.AnyHealthyNotStopped, []string{"-+", "O+", "S+", "C+", "E+"}},
		{"any healthy and not closed", Peers.AnyHealthyNotClosed, []string{"-+", "O+", "S+", "X+", "E+"}},
		{"any healthy and neither", Peers.AnyHealthyAtWork, []string{"-+", "O+", "S+", "E+"}},
	}
	for _, q := range questions {
		if q.ask(Peers{}) {
			t.Errorf("%s: yes without peers", q.name)
		}
		var no []string
		for _, name := range everyone() {
			want := slices.Contains(q.yes, name[1:3])
			if got := q.ask(zoo(Endpoint{Side: Reading, Group: "ours"}, 3, name)); got != want {
				t.Errorf("%s, of %s: %v", q.name, name, got)
			}
			if !want {
				no = append(no, name)
			}
		}
		if q.ask(zoo(Endpoint{}, 1, no...)) {
			t.Errorf("%s: many that do not decide it decide it together", q.name)
		}
		if !q.ask(zoo(Endpoint{}, 1, append(no, "r"+q.yes[0])...)) {
			t.Errorf("%s: the last of many is not seen", q.name)
		}
	}
}

func TestFiltersOfPeers(t *testing.T) {
	for _, test := range []struct {
		name    string
		filters []PeerFilter
		is      func(side, state, health byte, group string) bool
	}{
		{"none", nil, func(byte, byte, byte, string) bool { return true }},
		{"healthy", []PeerFilter{IsHealthy}, func(_, _, h byte, _ string) bool { return h == '+' }},
		{"unhealthy", []PeerFilter{IsUnhealthy}, func(_, _, h byte, _ string) bool { return h == '!' }},
		{"not initialised", []PeerFilter{NotInitialised}, func(_, s, _ byte, _ string) bool { return s == '-' }},
		{"finished", []PeerFilter{IsFinished}, func(_, s, h byte, _ string) bool { return s == 'X' || s == 'C' || h == '!' }},
		{"in a state", []PeerFilter{InState(StatusError)}, func(_, s, _ byte, _ string) bool { return s == 'E' }},
		{"in one of two", []PeerFilter{InState(StatusOpened, StatusStarted)}, func(_, s, _ byte, _ string) bool { return s == 'O' || s == 'S' }},
		{"in none of none", []PeerFilter{Not(InState())}, func(byte, byte, byte, string) bool { return true }},
		{"in a group", []PeerFilter{InGroup("ours")}, func(_, _, _ byte, g string) bool { return g == "ours" }},
		{"in no group", []PeerFilter{InGroup("")}, func(_, _, _ byte, g string) bool { return g == "" }},
		{"readers", []PeerFilter{OnSide(Reading)}, func(s, _, _ byte, _ string) bool { return s == 'r' }},
		{"not writers", []PeerFilter{Not(OnSide(Writing))}, func(s, _, _ byte, _ string) bool { return s == 'r' }},
		{"all of several", []PeerFilter{OnSide(Writing), IsHealthy, InState(StatusStarted)}, func(s, st, h byte, _ string) bool { return s == 'w' && h == '+' && st == 'S' }},
		{"by unique name", []PeerFilter{Named("C@wS+ours")}, func(s, st, h byte, g string) bool { return s == 'w' && st == 'S' && h == '+' && g == "ours" }},
		{"by own name", []PeerFilter{Named("wS+")}, func(s, st, h byte, g string) bool { return s == 'w' && st == 'S' && h == '+' && g == "" }},
		{"by a part of a name", []PeerFilter{Named("w")}, func(byte, byte, byte, string) bool { return false }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := zoo(Endpoint{Side: Reading}, 1, everyone()...)
			var want []string
			for _, name := range everyone() {
				if test.is(name[0], name[1], name[2], name[3:]) {
					want = append(want, "C@"+name)
				}
			}
			if got := p.Names(test.filters...); !slices.Equal(got, want) {
				t.Errorf("names %q, want %q", got, want)
			}
			if got := p.Count(test.filters...); got != len(want) {
				t.Errorf("%d, want %d", got, len(want))
			}
			if p.Any(test.filters...) != (len(want) > 0) {
				t.Errorf("any: %v", len(want) == 0)
			}
			if got := p.Where(test.filters...); !slices.Equal(got.Names(), want) || got.Self != p.Self || got.GroupSize != p.GroupSize {
				t.Errorf("where %+v", got)
			}
		})
	}
	if n := zoo(Endpoint{}, 1, everyone()...).CountHealthy(); n != 36 {
		t.Errorf("%d are healthy, want 36", n)
	}
}

// Others are of the other side and outside one's own group; members are of one's own group, whatever their side.
func TestOthersAndMembers(t *testing.T) {
	all := []string{"rS+", "rS+ours", "rS+other", "wS+", "wS+ours", "wS+other"}
	for _, test := range []struct {
		self            Endpoint
		others, members []string
	}{
		{Endpoint{Side: Reading}, []string{"C@wS+", "C@wS+ours", "C@wS+other"}, nil},
		{Endpoint{Side: Writing}, []string{"C@rS+", "C@rS+ours", "C@rS+other"}, nil},
		{Endpoint{Side: Reading, Group: "ours"}, []string{"C@wS+", "C@wS+other"}, []string{"C@rS+ours", "C@wS+ours"}},
		{Endpoint{Side: Writing, Group: "ours"}, []string{"C@rS+", "C@rS+other"}, []string{"C@rS+ours", "C@wS+ours"}},
	} {
		p := zoo(test.self, 2, all...)
		if others, members := p.Others().Names(), p.Members().Names(); !slices.Equal(others, test.others) || !slices.Equal(members, test.members) {
			t.Errorf("%+v: others %q, members %q", test.self, others, members)
		}
	}
}

// A peer known from the history alone is not finished while it may be heard yet, unless it said so itself.
func TestFinished(t *testing.T) {
	for _, test := range []struct {
		peer    string
		awaited bool
		want    bool
	}{
		{"wS+", false, false}, {"wO+", false, false}, {"w-+", false, false}, {"wE+", false, false}, // an error has 120 s to be mended
		{"wX+", false, true}, {"wC+", false, true},
		{"wS!", false, true}, {"wE!", false, true}, {"w-!", false, true},
		{"wS!", true, false}, {"wE!", true, false}, {"w-!", true, false},
		{"wX!", true, true}, {"wC!", true, true}, {"wC+", true, true}, {"wS+", true, false},
	} {
		p := animal(test.peer)
		p.Awaited = test.awaited
		if p.Finished() != test.want {
			t.Errorf("%s, awaited %v: finished %v", test.peer, test.awaited, !test.want)
		}
	}
}

// The rule of the wire contract, "Life of a channel".
func TestCanClose(t *testing.T) {
	principal := Endpoint{Side: Reading, Group: "g"}
	for _, test := range []struct {
		name  string
		self  Endpoint
		size  int
		peers []string
		want  bool
	}{
		{"a writer, whatever there is", Endpoint{Side: Writing, Group: "g"}, 3, []string{"wS+g", "rS+"}, true},
		{"a reader without a group", Endpoint{Side: Reading}, 1, []string{"wS+", "rS+"}, true},
		{"a member that is not the principal", Endpoint{Side: Reading, Group: "g", GroupIndex: 1}, 3, []string{"rS+g", "wS+"}, true},
		{"the principal without any peer", principal, 3, nil, true},
		{"a group of one", principal, 1, []string{"wS+"}, true},
		{"a member was never seen", principal, 2, []string{"wS+"}, false},
		{"a healthy member", principal, 2, []string{"rS+g"}, false},
		{"that has only opened", principal, 2, []string{"rO+g"}, false},
		{"that has said no state yet", principal, 2, []string{"r-+g"}, false},
		{"that is in error", principal, 2, []string{"rE+g"}, false},
		{"a stopped member", principal, 2, []string{"rX+g"}, true},
		{"a closed member", principal, 2, []string{"rC+g"}, true},
		{"an unhealthy member", principal, 2, []string{"rS!g"}, true},
		{"an unhealthy one without a state", principal, 2, []string{"r-!g"}, true},
		{"one of two is at work", principal, 3, []string{"rC+g", "rS+g"}, false},
		{"one of two was never seen", principal, 3, []string{"rC+g", "wC+"}, false},
		{"both have finished", principal, 3, []string{"rC+g", "rX!g", "wS+"}, true},
		{"finished ones of another group do not count", principal, 2, []string{"rC+h", "rC+"}, false},
		{"healthy ones of another group do not hold it up", principal, 2, []string{"rC+g", "rS+h", "wS+"}, true},
		{"a member that came again under another name", principal, 2, []string{"rS!g", "rC+g"}, true}, // pypz, which wants them to be equal, would wait for ever
		{"a stranger with the group's name counts", principal, 2, []string{"wC+g"}, true},             // as in pypz
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := zoo(test.self, test.size, test.peers...).CanClose(); got != test.want {
				t.Errorf("can close: %v", got)
			}
		})
	}
	awaited := zoo(principal, 2, "rS!g")
	awaited.All[0].Awaited = true
	if awaited.CanClose() {
		t.Error("can close over a member that may be heard yet")
	}
}

func TestAllAcknowledged(t *testing.T) {
	for _, test := range []struct {
		name  string
		peers []string
		acked []bool
		want  bool
	}{
		{"without readers", nil, nil, true},
		{"one that has", []string{"rS+"}, []bool{true}, true},
		{"one that has not", []string{"rS+"}, []bool{false}, false},
		{"all but the last", []string{"rS+", "rS+g", "rO+"}, []bool{true, true, false}, false},
		{"an unhealthy one does not count", []string{"rS!", "rS+"}, []bool{false, true}, true},
		{"nor an unhealthy one that has", []string{"rS!", "rS+"}, []bool{true, false}, false},
		{"a stopped one counts", []string{"rX+"}, []bool{false}, false},
		{"other writers do not", []string{"wS+g", "rS+"}, []bool{false, true}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := zoo(Endpoint{Side: Writing, Group: "g"}, 2, test.peers...)
			for i, acked := range test.acked {
				p.All[i].Acknowledged = acked
			}
			if p.AllAcknowledged() != test.want {
				t.Errorf("all acknowledged: %v", !test.want)
			}
		})
	}
}

// A choice of peers is a value of its own: what is done with it does not reach the one that it was taken from.
func TestWhereGivesPeersOfItsOwn(t *testing.T) {
	p := zoo(Endpoint{Side: Reading}, 1, "rS+", "wS+", "wC+")
	before := slices.Clone(p.All)
	w := p.Where(OnSide(Writing))
	w.All[0].State = StatusError
	w.All = append(w.All, animal("wE+"))
	if !reflect.DeepEqual(p.All, before) {
		t.Errorf("%+v", p.All)
	}
}

func TestTimesByKind(t *testing.T) {
	var times KindTimes
	for i, k := range kinds {
		times.Set(k, int64(i+1))
	}
	times.Set("Paused", 99)
	for i, k := range kinds {
		if times.At(k) != int64(i+1) {
			t.Errorf("%s at %d", k, times.At(k))
		}
	}
	if times.At("Paused") != 0 || len(kinds) != len(times) {
		t.Errorf("%v", times)
	}
}
