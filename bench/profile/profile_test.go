package profile

import (
	"strings"
	"testing"
)

const twoStacks = "gw \n\tffffffff8200e45b tcp_sendmsg.isra.0\n\t            d3ce internal/runtime/syscall/linux.Syscall6\n\t   1 castgate/server.(*loop).write\n\n" +
	"gw \n\t            62872 runtime.sysmon\n\t            904ec runtime.mstart.abi0\n\n" +
	"gw \n\t  2 \n\t   1 castgate/server.(*loop).write\n"

func TestRead(t *testing.T) {
	p, err := Read(strings.NewReader(twoStacks))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	var write func(calls []*Call, depth int)
	write = func(calls []*Call, depth int) {
		for _, c := range calls {
			text.WriteString(strings.Repeat(" ", depth) + c.Name + ":" + Kinds[c.Kind] + strings.Repeat("#", c.Samples) + "\n")
			write(c.Calls, depth+1)
		}
	}
	write(p.Calls, 0)
	want := `castgate/server.(*loop).write:castgate##
 [unknown]:libraries#
 internal/runtime/syscall/linux.Syscall6:the runtime of Go#
  tcp_sendmsg:the kernel#
runtime.mstart:the runtime of Go#
 runtime.sysmon:the runtime of Go#
`
	if p.Samples != 3 || text.String() != want {
		t.Errorf("%d samples\n%s", p.Samples, text.String())
	}
}

// Functions with a tiny share are left out, and so are stacks beyond their bounds.
func TestReadIsBounded(t *testing.T) {
	rare := "gw\n\t1 rare\n\t1 main.f\n\n"
	often := strings.Repeat("gw\n\t1 often\n\t1 main.f\n\n", 1000)
	p, err := Read(strings.NewReader(rare + often))
	if err != nil || p.Samples != 1001 || len(p.Calls) != 1 || len(p.Calls[0].Calls) != 1 || p.Calls[0].Samples != 1001 {
		t.Errorf("%+v, %v", p, err)
	}
	p, err = Read(strings.NewReader("gw\n" + strings.Repeat("\t1 f\n", 10*maxStack)))
	depth := 0
	for c := p.Calls; len(c) > 0; c = c[0].Calls {
		depth++
	}
	if err != nil || depth != maxStack {
		t.Errorf("%d deep, %v", depth, err)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no stack": "gw\n\ngw\n", "functions without a sample": "\t1 f\n", "an endless line": "gw\n\t" + strings.Repeat("x", maxLine),
	} {
		if p, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// However perf's output looks, the samples of callers are at least those of the callees.
func FuzzRead(f *testing.F) {
	f.Add(twoStacks)
	f.Add("gw\n\t1 f\n x\n\n\n\tg")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		var check func(calls []*Call, most int)
		check = func(calls []*Call, most int) {
			for _, c := range calls {
				if most -= c.Samples; c.Samples < 1 || most < 0 {
					t.Fatalf("%+v", c)
				}
				check(c.Calls, c.Samples)
			}
		}
		check(p.Calls, p.Samples)
	})
}
