package table

import "testing"

// FuzzOperations reads its input as a program. Four bytes are an operation on one
// of a few names, with runs of handles so that short inputs build large sets.
func FuzzOperations(f *testing.F) {
	f.Add([]byte{4, 0, 0, 10, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0})
	f.Add([]byte{3, 0, 0, 255, 2, 0, 0, 0, 0, 0, 200, 255, 3, 0, 0, 0, 1, 0, 20, 255, 1, 0, 200, 180})
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 200 {
			return
		}
		loops := 1 + int(program[0])
		m := newModel(t, loops)
		for p := program[1:]; len(p) >= 4; p = p[4:] {
			name := string('a' + rune(p[1]%3))
			run := 1 + int(p[3])
			for i := range run {
				slot := uint32(p[2])*7 + uint32(i)
				h := MakeHandle(uint8(slot*uint32(p[1]>>2)%uint32(loops)), slot, 1)
				switch p[0] % 4 {
				case 0:
					m.add(name, h, false)
				case 1:
					m.remove(name, h)
				case 2:
					if i == 0 {
						m.snapshot(name)
					}
				case 3:
					m.add(name, h, i == run/2)
				}
			}
		}
		m.check()
	})
}
