package database

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Owner is a service's database and the role that owns it; both have the service's name.
type Owner struct {
	Name       string
	Password   string
	Extensions []string // that only a superuser may create
	Schemas    []string // in addition to public
	Scripts    []string // SQL, run by an administrator at every start, for tables that the service must not own
	Roles      []string // that the scripts create and use
}

//go:embed audit.sql
var audit string

// OwnerOf is what a service needs in its database beside its own tables.
func OwnerOf(name, password string) Owner {
	o := Owner{Name: name, Password: password}
	switch name {
	case "users":
		o.Scripts, o.Roles = []string{audit}, []string{"audit_keeper"}
	case "products":
		o.Extensions = []string{"pg_trgm", "unaccent"} // for search
	case "orders":
		o.Schemas = []string{"workflows"} // Dapr's tables, separate from the service's
	}
	return o
}

// closed keeps roles out of databases that belong to no service.
const closed = "revoke connect on database postgres, template1 from public"

// role and the functions below are statements that may be run again.
func (o Owner) role() []string {
	name := pgx.Identifier{o.Name}.Sanitize()
	return []string{
		fmt.Sprintf("do $$ begin create role %s nosuperuser nocreatedb nocreaterole; "+
			"exception when duplicate_object or unique_violation then null; end $$", name),
		fmt.Sprintf("alter role %s login password %s", name, quote(o.Password)), // takes no parameters
	}
}

// membership lets an administrator who is no superuser act for the roles: make what they own.
func (o Owner) membership() (statements []string) {
	for _, role := range o.Roles {
		statements = append(statements, fmt.Sprintf("do $$ begin create role %s nologin; "+
			"exception when duplicate_object or unique_violation then null; end $$", pgx.Identifier{role}.Sanitize()))
	}
	for _, role := range append([]string{o.Name}, o.Roles...) {
		statements = append(statements, fmt.Sprintf("grant %s to current_user", pgx.Identifier{role}.Sanitize()))
	}
	return statements
}

// database fails if the database exists: it is the one statement that cannot be run again.
func (o Owner) database() string {
	name := pgx.Identifier{o.Name}.Sanitize()
	return "create database " + name + " owner " + name
}

func (o Owner) private() string {
	return "revoke all on database " + pgx.Identifier{o.Name}.Sanitize() + " from public"
}

// content creates in the owner's database what only a superuser can.
func (o Owner) content() (statements []string) {
	for _, e := range o.Extensions {
		statements = append(statements, "create extension if not exists "+pgx.Identifier{e}.Sanitize())
	}
	for _, schema := range o.Schemas {
		statements = append(statements, "create schema if not exists "+pgx.Identifier{schema}.Sanitize()+
			" authorization "+pgx.Identifier{o.Name}.Sanitize())
	}
	return append(statements, o.Scripts...)
}

func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Script does the same as Server.Create, as a file for psql. It may be run again.
func Script(owners []Owner) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\\set ON_ERROR_STOP on\nset client_min_messages = warning;\n%s;\n", closed)
	for _, o := range owners {
		fmt.Fprintf(&out, "\n%s;\n", strings.Join(o.role(), ";\n"))
		fmt.Fprintf(&out, "select %s where not exists (select from pg_database where datname = %s) \\gexec\n",
			quote(o.database()), quote(o.Name))
		fmt.Fprintf(&out, "%s;\n", o.private())
	}
	for _, o := range owners {
		if statements := o.content(); len(statements) > 0 {
			fmt.Fprintf(&out, "\n\\connect %s\nset client_min_messages = warning;\n%s;\n",
				pgx.Identifier{o.Name}.Sanitize(), strings.Join(statements, ";\n"))
		}
	}
	return out.String()
}
