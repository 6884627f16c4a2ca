// Command mailhog is MailHog, a mail server that keeps what it gets in memory and shows it on a page instead of
// delivering it. Unlike the original it writes no mail into its log: links in mails are keys.
package main

import (
	"flag"
	stdlog "log"
	"net/http"
	"os"

	"github.com/gorilla/pat"
	"github.com/ian-kent/go-log/log"
	"github.com/mailhog/MailHog-Server/api"
	"github.com/mailhog/MailHog-Server/config"
	"github.com/mailhog/MailHog-Server/smtp"
	"github.com/mailhog/MailHog-UI/assets"
	uiconfig "github.com/mailhog/MailHog-UI/config"
	"github.com/mailhog/MailHog-UI/web"
	hoghttp "github.com/mailhog/http"
)

// The original's flags: -smtp-bind-addr, and -api-bind-addr and -ui-bind-addr, which must be the same here.
func main() {
	config.RegisterFlags()
	uiconfig.RegisterFlags()
	flag.Parse()
	mails, page := config.Configure(), uiconfig.Configure()
	stdlog.SetOutput(nowhere{})
	log.Logger().SetLevel(log.Stol("ERROR"))
	stopped := make(chan int)
	go hoghttp.Listen(page.UIBindAddr, assets.Asset, stopped, func(r http.Handler) {
		web.CreateWeb(page, r.(*pat.Router), assets.Asset)
		api.CreateAPI(mails, r.(*pat.Router))
	})
	go smtp.Listen(mails, stopped)
	os.Exit(<-stopped)
}

type nowhere struct{}

func (nowhere) Write(text []byte) (int, error) { return len(text), nil }
