package knob

import (
	"errors"
	"fmt"

	"castgate/server/setting"
)

// Flagged adds the setting's flag to the error of a setting. Other errors are
// unchanged.
func Flagged(err error) error {
	if e, ok := errors.AsType[*setting.Error](err); ok {
		return fmt.Errorf("--%s: %w", e.Name, e.Err)
	}
	return err
}
