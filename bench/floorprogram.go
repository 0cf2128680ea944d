package bench

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// compiler is the C compiler's usual name.
const compiler = "cc"

// floorSources are the floor's in C, from the root.
const floorSources = "bench/floor/c/*.c"

// obtainFloor compiles the floor in C into dir, or builds the one in Go where there is no
// C compiler. The floor is meant to be a loop of send() alone, and Go's runtime and
// scheduler cost more than that. Result.Floor says which it was.
func obtainFloor(ctx context.Context, root, dir string) (string, error) {
	binary, err := filepath.Abs(filepath.Join(dir, Floor))
	if err != nil {
		return "", err
	}
	cc, err := exec.LookPath(compiler)
	if err != nil {
		return binary, goBuild(ctx, root, "./bench/floor", binary)
	}
	sources, err := filepath.Glob(filepath.Join(root, floorSources))
	if err != nil || len(sources) == 0 {
		return "", fmt.Errorf("build floor: no sources match %s", filepath.Join(root, floorSources))
	}
	args := append([]string{"-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", binary}, sources...)
	if out, err := exec.CommandContext(ctx, cc, args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the floor: %w\n%s", err, out)
	}
	return binary, nil
}

// floorLanguage names what obtainFloor builds: "Go", or "C" and the compiler.
func floorLanguage(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, compiler, "--version").Output()
	if err != nil {
		return "Go"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return "C, " + first
}
