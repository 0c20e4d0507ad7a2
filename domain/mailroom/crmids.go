package mailroom

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"inmail/domain"
	"inmail/domain/strictjson"
)

// NamedCRMIDs is the JSON form of ids of CRMs: an object with the ids of the first CRM and, under the name of
// each other CRM, an object with its ids. The form of the ids is judged when they are stored.
type NamedCRMIDs struct {
	IDs domain.CRMIDs // those of the first CRM under ""
}

// ReadJSON reads such an object.
func (n *NamedCRMIDs) ReadJSON(r *strictjson.Reader) error {
	n.IDs = domain.CRMIDs{}
	return r.Object(func(name []byte) error {
		if r.Peek() != '{' {
			return n.read(r, "", string(name))
		}
		crm := domain.CRM(name)
		if crm == "" || n.IDs[crm] != nil {
			return refuse(domain.BadRequest, "a CRM is named twice or by no name")
		}
		n.IDs[crm] = domain.ForeignIDs{}
		return r.Object(func(name []byte) error { return n.read(r, crm, string(name)) })
	})
}

// read reads one id of a CRM.
func (n *NamedCRMIDs) read(r *strictjson.Reader, crm domain.CRM, name string) error {
	id, err := r.Text()
	if err != nil {
		return err
	}
	if n.IDs[crm] == nil {
		n.IDs[crm] = domain.ForeignIDs{}
	}
	if _, twice := n.IDs[crm][name]; twice {
		return refuse(domain.BadRequest, "an id is given twice")
	}
	n.IDs[crm][name] = id
	return nil
}

// judgeCRM lets each connector judge the ids that a sender named for its CRM; those under "" are of the
// first. It leaves out empty ids. Its refusals quote nothing of the request.
func (svc *Service) judgeCRM(given domain.CRMIDs) (domain.CRMIDs, error) {
	var judged domain.CRMIDs
	for _, name := range slices.Sorted(maps.Keys(given)) {
		ids := given[name]
		if name == "" && len(svc.crms) > 0 {
			name = svc.crms[0].Name()
		}
		crm := svc.Connector(name)
		if crm == nil {
			return nil, svc.unknownCRM()
		}
		ids, err := judgeIDs(crm, ids)
		if err != nil {
			return nil, err
		}
		if len(ids) == 0 {
			continue
		}
		if judged == nil {
			judged = domain.CRMIDs{}
		}
		if judged[name] != nil {
			return nil, refuse(domain.BadRequest, "crm: ids of %s are given in two places", name)
		}
		judged[name] = ids
	}
	return judged, nil
}

// judgeIDs refuses names that the CRM does not know, and lets it judge the ids that are not empty.
func judgeIDs(crm CRM, ids domain.ForeignIDs) (domain.ForeignIDs, error) {
	var known []string
	for _, id := range crm.IDs() {
		known = append(known, id.Name)
	}
	kept := domain.ForeignIDs{}
	for name, id := range ids {
		if !slices.Contains(known, name) {
			return nil, refuse(domain.BadRequest, "crm: an unknown field; of %s there are %s",
				crm.Name(), strings.Join(known, ", "))
		}
		if id != "" {
			kept[name] = id
		}
	}
	err := crm.Judge(kept)
	var r *domain.Refusal
	if errors.As(err, &r) {
		err = strictjson.Under("crm", r)
	}
	return kept, err
}

func (svc *Service) unknownCRM() error {
	var known []string
	for _, crm := range svc.crms {
		known = append(known, string(crm.Name()))
	}
	return refuse(domain.BadRequest, "crm: one of: %s", strings.Join(known, ", "))
}
