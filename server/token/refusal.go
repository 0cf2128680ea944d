package token

// Reason is why a token was refused. The set of reasons is fixed.
type Reason uint8

// The reasons, in the order in which they are checked. The caller finds Missing,
// Repeated and Busy itself.
const (
	Missing     Reason = iota // there is no token, and one is required
	Repeated                  // there is more than one token
	Malformed                 // not a JSON Web Token, or one with an unsupported critical extension
	NoKeys                    // keys are fetched, and none has arrived yet
	Algorithm                 // there is no key for the token's algorithm
	UnknownKey                // no key has the token's key id (kid)
	Signature                 // the signature does not match any key
	Claim                     // a claim appears twice or has a wrong type or value
	Expired                   // exp
	NotYetValid               // nbf
	Audience                  // aud
	Issuer                    // iss
	Busy                      // too many tokens are waiting to be verified

	NumReasons = int(iota)
)

// reasons hold the code that callers and metrics see, and the sentence for people.
// Neither contains anything of the token.
var reasons = [NumReasons]struct{ code, text string }{
	Missing:     {"token_missing", "a token is required"},
	Repeated:    {"token_repeated", "there is more than one token"},
	Malformed:   {"token_malformed", "the token is not a JSON Web Token"},
	NoKeys:      {"token_no_keys", "no keys have been fetched yet, try again later"},
	Algorithm:   {"token_algorithm", "there is no key for the token's algorithm"},
	UnknownKey:  {"token_unknown_key", "the token's key id (kid) is unknown"},
	Signature:   {"token_signature", "the token's signature is invalid"},
	Claim:       {"token_claim", "a claim of the token has a wrong type or value"},
	Expired:     {"token_expired", "the token has expired"},
	NotYetValid: {"token_not_yet_valid", "the token is not valid yet"},
	Audience:    {"token_audience", "the token is for a different audience"},
	Issuer:      {"token_issuer", "the token is from a different issuer"},
	Busy:        {"token_busy", "too many tokens are being verified, try again later"},
}

// String returns the code of the reason.
func (r Reason) String() string {
	if int(r) >= NumReasons {
		return "token_unknown"
	}
	return reasons[r].code
}

// Refusal is the error for a token that is refused.
type Refusal struct {
	Reason Reason
	// Claim is the name of the invalid claim if Reason is Claim. It is always one
	// of claimNames.
	Claim string
}

// Error returns a sentence for people. Apart from the claim's name it contains
// nothing of the token.
func (r *Refusal) Error() string {
	switch {
	case int(r.Reason) >= NumReasons:
		return r.Reason.String()
	case r.Claim != "":
		return "the token's claim " + r.Claim + " has a wrong type or value"
	}
	return reasons[r.Reason].text
}

// Is makes refusals with the same reason and claim equal for errors.Is. All
// refusals of tokens that are invalid in themselves also match ErrInvalid.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && (*r == *other || target == error(ErrInvalid) && r.Reason >= Repeated && r.Reason <= Claim && r.Reason != NoKeys)
}

// Refusals that are not about a claim.
var (
	ErrInvalid     = &Refusal{Reason: Malformed} // also matches every token that is invalid in itself, with errors.Is
	ErrNoKeys      = &Refusal{Reason: NoKeys}
	ErrAlgorithm   = &Refusal{Reason: Algorithm}
	ErrUnknownKey  = &Refusal{Reason: UnknownKey}
	ErrSignature   = &Refusal{Reason: Signature}
	ErrExpired     = &Refusal{Reason: Expired}
	ErrNotYetValid = &Refusal{Reason: NotYetValid}
	ErrAudience    = &Refusal{Reason: Audience}
	ErrIssuer      = &Refusal{Reason: Issuer}
)
