package httpapi

import (
	"encoding/json"
	"maps"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
	"inmail/domain/strictjson"
)

// crmIDs are ids of CRMs as the API takes and gives them: one object with the ids of the first CRM
// and, under its name, an object with those of each other CRM. The connectors declare names and
// forms of ids (mailroom.CRM).
type crmIDs struct{ mailroom.NamedCRMIDs }

func (c *crmIDs) ids() domain.CRMIDs {
	if c == nil {
		return nil
	}
	return c.IDs
}

// ReadJSON reads the ids of the first CRM under the empty name, those of the others under their own.
func (c *crmIDs) ReadJSON(r *strictjson.Reader) error { return c.NamedCRMIDs.ReadJSON(r) }

// MarshalJSON writes what ReadJSON reads.
func (c crmIDs) MarshalJSON() ([]byte, error) {
	shown := map[string]any{}
	for crm, ids := range c.IDs {
		if crm != "" {
			shown[string(crm)] = ids
		}
	}
	for name, id := range c.IDs[""] {
		shown[name] = id
	}
	return json.Marshal(shown)
}

// crmIDsOf moves the ids of the first CRM under the empty name, from where MarshalJSON writes them beside the
// names of the others.
func (c *call) crmIDsOf(ids domain.CRMIDs) crmIDs {
	shown := maps.Clone(ids)
	if crms := c.api.Service.Connectors(); len(crms) > 0 && ids[crms[0].Name()] != nil {
		shown[""] = ids[crms[0].Name()]
		delete(shown, crms[0].Name())
	}
	return crmIDs{mailroom.NamedCRMIDs{IDs: shown}}
}

func (crmIDs) schema(c *components) schema {
	return c.byCRM("CrmIDs", func(crm mailroom.CRM) schema { return idSchemas(crm) })
}

// idSchemas describes the ids of a CRM by their names.
func idSchemas(crm mailroom.CRM) schema {
	ids := schema{}
	for _, id := range crm.IDs() {
		s := schema{"type": "string"}
		if id.Pattern != "" {
			s["pattern"] = id.Pattern
		}
		if id.Example != "" {
			s["examples"] = []any{id.Example}
		}
		ids[id.Name] = s
	}
	return ids
}

// byCRM describes an object with the fields of the first CRM and, under its name, an
// object for each other CRM.
func (c *components) byCRM(name string, fields func(mailroom.CRM) schema) schema {
	ref := schema{"$ref": "#/components/schemas/" + name}
	if _, done := c.schemas[name]; done {
		return ref
	}
	object := func(properties schema) schema {
		s := schema{"type": "object", "properties": properties}
		if c.strict {
			s["additionalProperties"] = false
		}
		return s
	}
	properties := schema{}
	for i, crm := range c.crms {
		if i == 0 {
			maps.Copy(properties, fields(crm))
			continue
		}
		own := pascal(string(crm.Name())) + strings.TrimPrefix(name, "Crm")
		c.schemas[own] = object(fields(crm))
		properties[string(crm.Name())] = schema{"$ref": "#/components/schemas/" + own}
	}
	c.schemas[name] = object(properties)
	return ref
}

// crmView is what CRMs have of an InMail, laid out as in crmIDs: the ids that the sender gave, else those
// that matching found, with the state of matching and the id of the InMail's own record.
type crmView map[string]any

func (crmView) schema(c *components) schema {
	return c.byCRM("CrmView", func(crm mailroom.CRM) schema {
		fields := idSchemas(crm)
		match := c.enum(listName("match"), lists["match"])
		match["examples"], match["description"] = []any{"matched"}, "R55; absent until the CRM was asked"
		fields["match"] = match
		fields["record_id"] = schema{"type": "string", "description": "of the InMail's own record there"}
		return fields
	})
}

func (c *call) crmViewOf(given domain.CRMIDs, links map[domain.CRM]domain.Link) crmView {
	return crmView(mailroom.ShowCRMs(c.api.Service.Connectors(), given, links))
}
