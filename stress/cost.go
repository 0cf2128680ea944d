package stress

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"castgate/internal/wstest"
)

// cost is what a gateway has used, and how much was sent to it.
type cost struct {
	at       time.Time
	cpu      time.Duration
	rss      int   // bytes
	attacked int64 // bytes sent by attackers
}

func (s *site) costs(t *Trial) cost {
	return cost{time.Now(), cpuOf(s.PID()), wstest.RSS(t, s.PID()), s.attacked.Load()}
}

// since returns the difference to then; the memory is the present one.
func (c cost) since(then cost) cost {
	c.cpu -= then.cpu
	c.attacked -= then.attacked
	c.at = time.Time{}.Add(c.at.Sub(then.at))
	return c
}

// String is for reports of a result of since.
func (c cost) String() string {
	took := c.at.Sub(time.Time{})
	return fmt.Sprintf("%.1f s: %d KB of attack, %d ms of CPU, %.0f ns a byte, %d MiB resident",
		took.Seconds(), c.attacked>>10, c.cpu.Milliseconds(), float64(c.cpu)/float64(max(c.attacked, 1)), c.rss>>20)
}

// cpuOf returns the CPU time of a process, 0 if the system does not report it.
func cpuOf(pid int) time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick
}
