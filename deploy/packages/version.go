package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// tagged is what git describe says of a commit that is a tag or comes after one.
var tagged = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-((?:alpha|beta|rc)[.\d]*))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)

// packageVersion is a version as dpkg and rpm compare them: v1.2.3-rc1 becomes 1.2.3~rc1,
// which is older than 1.2.3, and four commits later it is 1.2.3~rc1+4.abc1234. A commit
// without a tag is older than every release, and newer ones are those of a later time.
func packageVersion(described string, at time.Time) string {
	m := tagged.FindStringSubmatch(described)
	if m == nil {
		name := strings.ReplaceAll(described, "-", ".")
		return fmt.Sprintf("0~git%s.%s", at.UTC().Format("20060102150405"), name)
	}
	version := m[1]
	if m[2] != "" {
		version += "~" + m[2]
	}
	if m[3] != "" {
		version += "+" + m[3] + "." + m[4]
	}
	if m[5] != "" {
		version += "+dirty"
	}
	return version
}
