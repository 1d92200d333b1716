package oidcprovider

import (
	"fmt"
	"slices"
)

// Person is somebody whom the provider knows.
type Person struct {
	Username string `json:"username"`
	Password string `json:"password"`
	// Name and Email of several people may be the same.
	Name  string `json:"name"`
	Email string `json:"email"`
	// ObjectID is what EntraIssuer has in the claim oid.
	ObjectID string `json:"objectID"`
	// Subject is what GenericIssuer has in the claim sub.
	Subject string `json:"subject"`
	// Groups are IDs. EntraIssuer puts no more than 200 into a token, and otherwise says where to ask for them.
	Groups []string `json:"groups"`
	// Disabled people cannot log in, and their sessions at the provider have ended.
	Disabled bool `json:"disabled"`
}

// The groups of SamplePeople.
const (
	EngineersGroup = "6f0e2c1a-9d3b-4c8e-8f57-2b1d90a4e001"
	EveryoneGroup  = "6f0e2c1a-9d3b-4c8e-8f57-2b1d90a4e002"
)

// samplePassword is that of all SamplePeople. They exist on this machine alone.
const samplePassword = "Tulip+7/harbour"

// SamplePeople are those of a provider that is given no others: dorothy is in two groups, mallory has her name and her address,
// frances is in more groups than a token of Entra ID lists, and linus is in none.
func SamplePeople() []Person {
	person := func(username, name, number string, groups ...string) Person {
		return Person{
			Username: username, Password: samplePassword, Name: name, Email: username + "@contoso.example",
			ObjectID: "5c1f7d9e-3a52-4e0b-9c44-7e6a10b3f" + number, Subject: "subject-" + number, Groups: groups,
		}
	}

	dorothy := person("dorothy", "Dorothy Vaughan", "001", EngineersGroup, EveryoneGroup)
	mallory := person("mallory", dorothy.Name, "002", EveryoneGroup)
	mallory.Email = dorothy.Email

	return []Person{
		dorothy,
		mallory,
		person("frances", "Frances Allen", "003", manyGroups()...),
		person("linus", "Linus Pauling", "004"),
	}
}

// SamplePerson is the one of SamplePeople with this username.
func SamplePerson(username string) (Person, error) {
	people := SamplePeople()

	i := slices.IndexFunc(people, func(p Person) bool { return p.Username == username })
	if i < 0 {
		return Person{}, fmt.Errorf("the sample provider knows no %s", username)
	}

	return people[i], nil
}

func manyGroups() []string {
	groups := make([]string, 201)
	for i := range groups {
		groups[i] = fmt.Sprintf("6f0e2c1a-9d3b-4c8e-8f57-2b1d90a5%04d", i)
	}

	return groups
}
