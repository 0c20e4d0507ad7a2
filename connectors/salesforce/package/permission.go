package sfpackage

import (
	"encoding/xml"
	"io/fs"
	"path"
)

// The permission sets of the package.
const (
	IntegrationSet = "InMail_Integration" // for the integration user: writes InMails, logs tasks
	PeopleSet      = "InMail_People"      // for the integration user: edits the fields of InMail on Lead and Contact
	CampaignsSet   = "InMail_Campaigns"   // for the integration user: adds members to Campaigns
	ReaderSet      = "InMail_Reader"      // reads InMails
	MatchingSet    = "InMail_Matching"    // may set InMail_Member_Id__c on Leads and Contacts
)

// PermissionSet is the rights of the users to whom it is assigned. It lists no required fields: they are
// visible with the object.
type PermissionSet struct {
	Name, Label, Description string
	Objects                  map[string]ObjectAccess
	Fields                   map[string]FieldAccess // by "Lead.Email"; fields of Activity by Task and Event
	System                   []string               // user permissions, such as EditTask
}

// ObjectAccess is the rights on an object. ViewAll and ModifyAll include records that are not shared with
// the user.
type ObjectAccess struct {
	Create, Read, Edit, Delete, ViewAll, ModifyAll bool
}

// FieldAccess is field-level security: whether a user may read and edit a field.
type FieldAccess struct {
	Read, Edit bool
}

func loadPermissionSets(files fs.FS) ([]PermissionSet, error) {
	const suffix = ".permissionset-meta.xml"
	paths, err := list(files, path.Join(metadata, "permissionsets"), suffix)
	if err != nil {
		return nil, err
	}
	var sets []PermissionSet
	for _, p := range paths {
		var x struct {
			XMLName     xml.Name `xml:"PermissionSet"`
			Label       string   `xml:"label"`
			Description string   `xml:"description"`
			Objects     []struct {
				Object    string `xml:"object"`
				Create    bool   `xml:"allowCreate"`
				Read      bool   `xml:"allowRead"`
				Edit      bool   `xml:"allowEdit"`
				Delete    bool   `xml:"allowDelete"`
				ViewAll   bool   `xml:"viewAllRecords"`
				ModifyAll bool   `xml:"modifyAllRecords"`
			} `xml:"objectPermissions"`
			Fields []struct {
				Field string `xml:"field"`
				Read  bool   `xml:"readable"`
				Edit  bool   `xml:"editable"`
			} `xml:"fieldPermissions"`
			System []struct {
				Name    string `xml:"name"`
				Enabled bool   `xml:"enabled"`
			} `xml:"userPermissions"`
		}
		if err := readXML(files, p, &x); err != nil {
			return nil, err
		}
		set := PermissionSet{
			Name: nameOf(p, suffix), Label: x.Label, Description: x.Description,
			Objects: map[string]ObjectAccess{}, Fields: map[string]FieldAccess{},
		}
		for _, o := range x.Objects {
			set.Objects[o.Object] = ObjectAccess{o.Create, o.Read, o.Edit, o.Delete, o.ViewAll, o.ModifyAll}
		}
		for _, f := range x.Fields {
			set.Fields[f.Field] = FieldAccess{f.Read, f.Edit}
		}
		for _, s := range x.System {
			if s.Enabled {
				set.System = append(set.System, s.Name)
			}
		}
		sets = append(sets, set)
	}
	return sets, nil
}
