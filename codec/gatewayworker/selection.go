package gatewayworker

// Criterion is one key of SELECT's where: clients of these uids or groups, or
// with these connection ids.
type Criterion struct {
	Kind          CriterionKind
	Names         [][]byte // uids or groups, each once
	ConnectionIDs []uint32
}

// CriterionKind is what a Criterion matches on.
type CriterionKind byte

// The kinds of a Criterion.
const (
	ByUnknown CriterionKind = iota // matches nothing
	ByUID
	ByGroup
	ByConnectionID
)

// Selection is what SELECT asks for (section 3.4).
type Selection struct {
	Fields [][]byte    // names of fields, each once; others than session, uid, groups are null
	All    bool        // no where: every client
	Where  []Criterion // else the union of these, in order
}

// maxFields limits the fields of a SELECT; three have a meaning.
const maxFields = 64

// Select reads the ext of command 25. ok is false if PHP ignores it: it is not
// JSON, or neither an object nor a list that is not empty. The reply is then an
// empty array.
func (d *Decoder) Select(ext []byte) (s Selection, ok bool) {
	if !d.valid(ext) {
		return s, false
	}
	r := d.reader(ext)
	kind, _ := r.kind()
	if kind != jsonArray && kind != jsonObject || !d.truthy(&r, kind) {
		return s, false
	}
	s.All = true
	r = d.reader(ext)
	if kind == jsonArray {
		return s, true
	}
	d.eachOnce(&r, jsonObject, func(key []byte, kind jsonKind) {
		switch string(key) {
		case "fields":
			s.Fields = d.distinct(d.values(&r, kind))
			s.Fields = s.Fields[:min(len(s.Fields), maxFields)]
		case "where":
			at := r.i
			if s.All = !d.truthy(&r, kind); s.All {
				return
			}
			if r.i = at; kind == jsonObject {
				d.eachOnce(&r, kind, func(key []byte, kind jsonKind) {
					if c := d.criterion(&r, key, kind); c.Kind != ByUnknown {
						s.Where = append(s.Where, c)
					}
				})
			}
		}
	})
	return s, true
}

func (d *Decoder) criterion(r *jsonReader, key []byte, kind jsonKind) Criterion {
	switch string(key) {
	case "groups":
		return Criterion{Kind: ByGroup, Names: d.distinct(d.values(r, kind))}
	case "uid":
		return Criterion{Kind: ByUID, Names: d.distinct(d.values(r, kind))}
	case "connection_id":
		start := len(d.ids)
		for _, key := range d.values(r, kind) {
			if id, ok := connectionID(key); ok {
				d.ids = append(d.ids, id)
			}
		}
		return Criterion{Kind: ByConnectionID, ConnectionIDs: d.ids[start:len(d.ids):len(d.ids)]}
	}
	return Criterion{}
}
