package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is one measurement.
type sample struct {
	Records int
	Took    time.Duration
	Own     time.Duration // CPU of this process
	Broker  time.Duration // CPU of the node
	Disk    int64         // bytes that the node gave to the disk
	Allocs  uint64        // of this process
	Bytes   uint64        // that they took
}

func (s sample) rate() float64     { return float64(s.Records) / s.Took.Seconds() }
func (s sample) own() float64      { return micros(s.Own) / float64(s.Records) }
func (s sample) broker() float64   { return micros(s.Broker) / float64(s.Records) }
func (s sample) ownCores() float64 { return s.Own.Seconds() / s.Took.Seconds() }
func (s sample) brokerCores() float64 {
	return s.Broker.Seconds() / s.Took.Seconds()
}
func (s sample) diskMB() float64 { return float64(s.Disk) / 1e6 / s.Took.Seconds() }

func (s sample) allocs() float64 { return float64(s.Allocs) / float64(s.Records) }
func (s sample) bytes() float64  { return float64(s.Bytes) / float64(s.Records) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// meter is the state of the world when a measurement began.
type meter struct {
	pid         int
	began       time.Time
	own, broker time.Duration
	disk        int64
	memory      runtime.MemStats
}

func startMeter(pid int) meter {
	m := meter{pid: pid}
	runtime.ReadMemStats(&m.memory)
	m.broker, m.disk, m.own, m.began = brokerCPU(pid), diskWrites(pid), ownCPU(), time.Now()
	return m
}

func (m meter) stop(records int) sample {
	took := time.Since(m.began)
	s := sample{Records: records, Took: took, Own: ownCPU() - m.own, Broker: brokerCPU(m.pid) - m.broker, Disk: diskWrites(m.pid) - m.disk}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	s.Allocs, s.Bytes = now.Mallocs-m.memory.Mallocs, now.TotalAlloc-m.memory.TotalAlloc
	return s
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no way to fail with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// brokerCPU is in clock ticks of 10 ms; 0 when the process cannot be looked at.
func brokerCPU(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+2:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// diskWrites is what the process has caused to be written, with or without having got there yet; 0 when that cannot be looked at.
func diskWrites(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}

// settle waits until the broker has done with what was there before, but not for long.
func settle(pid int) {
	const step, calm, most = 50 * time.Millisecond, 10 * time.Millisecond, 600 * time.Millisecond
	for waited := time.Duration(0); waited < most; waited += step {
		before := brokerCPU(pid)
		time.Sleep(step)
		if brokerCPU(pid)-before <= calm {
			return
		}
	}
}
