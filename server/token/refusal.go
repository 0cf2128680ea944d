package token

// Reason is why a token is refused, a bounded number of them.
type Reason uint8

// The reasons, in the order in which they are looked for. The first and the last
// two are for the caller to find.
const (
	Missing     Reason = iota // there is none, and one is required
	Repeated                  // there are several
	Malformed                 // no JSON Web Token, or with an extension that is not known
	NoKeys                    // keys are fetched and none has come yet
	Algorithm                 // no key is for its algorithm
	UnknownKey                // no key has the name that it gives (kid)
	Signature                 // no key has signed it
	Claim                     // a claim has a wrong type or value, or stands twice
	Expired                   // exp
	NotYetValid               // nbf
	Audience                  // aud
	Issuer                    // iss
	Busy                      // too many tokens wait to be checked

	NumReasons = int(iota)
)

// reasons hold the code that callers and metrics see, and the sentence for
// people. Neither has anything of the token.
var reasons = [NumReasons]struct{ code, text string }{
	Missing:     {"token_missing", "a token is required"},
	Repeated:    {"token_repeated", "there are several tokens"},
	Malformed:   {"token_malformed", "the token is no JSON Web Token"},
	NoKeys:      {"token_no_keys", "keys for tokens have not come yet, try later"},
	Algorithm:   {"token_algorithm", "there is no key for the token's algorithm"},
	UnknownKey:  {"token_unknown_key", "the key that the token names (kid) is not known"},
	Signature:   {"token_signature", "the token's signature does not fit"},
	Claim:       {"token_claim", "a claim of the token has a wrong type or value"},
	Expired:     {"token_expired", "the token has expired"},
	NotYetValid: {"token_not_yet_valid", "the token is not valid yet"},
	Audience:    {"token_audience", "the token is for another audience"},
	Issuer:      {"token_issuer", "the token is of another issuer"},
	Busy:        {"token_busy", "too many tokens to check, try later"},
}

// String is the reason's code.
func (r Reason) String() string {
	if int(r) >= NumReasons {
		return "token_unknown"
	}
	return reasons[r].code
}

// Refusal is the error of a token that is refused.
type Refusal struct {
	Reason Reason
	// Claim is the name of the claim, one of ours, where Reason is Claim.
	Claim string
}

// Error is a sentence for people, with the claim's name and nothing else of the
// token.
func (r *Refusal) Error() string {
	switch {
	case int(r.Reason) >= NumReasons:
		return r.Reason.String()
	case r.Claim != "":
		return "the token's claim " + r.Claim + " has a wrong type or value"
	}
	return reasons[r.Reason].text
}

// Is tells that refusals of one reason and claim are the same, and that those
// which are wrong in themselves are ErrInvalid.
func (r *Refusal) Is(target error) bool {
	other, ok := target.(*Refusal)
	return ok && (*r == *other || target == error(ErrInvalid) && r.Reason >= Repeated && r.Reason <= Claim && r.Reason != NoKeys)
}

// Refusals without a claim.
var (
	ErrInvalid     = &Refusal{Reason: Malformed} // and whatever is wrong with a token in itself, for errors.Is
	ErrNoKeys      = &Refusal{Reason: NoKeys}
	ErrAlgorithm   = &Refusal{Reason: Algorithm}
	ErrUnknownKey  = &Refusal{Reason: UnknownKey}
	ErrSignature   = &Refusal{Reason: Signature}
	ErrExpired     = &Refusal{Reason: Expired}
	ErrNotYetValid = &Refusal{Reason: NotYetValid}
	ErrAudience    = &Refusal{Reason: Audience}
	ErrIssuer      = &Refusal{Reason: Issuer}
)
