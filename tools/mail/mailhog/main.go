// Command mailhog is MailHog, a mail server that keeps mails in memory and shows them on a page instead of delivering
// them. Unlike the original it does not log mails, because their links contain secrets, and it accepts SMS: POST /sms
// with the number in the header To-Number and the text as the body.
package main

import (
	"flag"
	"io"
	stdlog "log"
	"net/http"
	"os"
	"regexp"

	"github.com/gorilla/pat"
	"github.com/ian-kent/go-log/log"
	"github.com/mailhog/MailHog-Server/api"
	"github.com/mailhog/MailHog-Server/config"
	"github.com/mailhog/MailHog-Server/smtp"
	"github.com/mailhog/MailHog-UI/assets"
	uiconfig "github.com/mailhog/MailHog-UI/config"
	"github.com/mailhog/MailHog-UI/web"
	"github.com/mailhog/data"
	hoghttp "github.com/mailhog/http"
)

// main has the flags of the original. -api-bind-addr and -ui-bind-addr must be the same here.
func main() {
	config.RegisterFlags()
	uiconfig.RegisterFlags()
	flag.Parse()
	mails, page := config.Configure(), uiconfig.Configure()
	stdlog.SetOutput(io.Discard)
	log.Logger().SetLevel(log.Stol("ERROR"))
	stopped := make(chan int)
	go hoghttp.Listen(page.UIBindAddr, assets.Asset, stopped, func(r http.Handler) {
		web.CreateWeb(page, r.(*pat.Router), assets.Asset)
		api.CreateAPI(mails, r.(*pat.Router))
		r.(*pat.Router).Post("/sms", acceptSMS(mails))
	})
	go smtp.Listen(mails, stopped)
	os.Exit(<-stopped)
}

// acceptSMS stores an SMS as a mail to <number>@sms.
func acceptSMS(to *config.Config) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number := r.Header.Get("To-Number")
		text, err := io.ReadAll(io.LimitReader(r.Body, 10_000))
		if err != nil || !regexp.MustCompile(`^\+\d{7,15}$`).MatchString(number) || len(text) == 0 {
			http.Error(w, "an SMS needs a number like +491701234567 in To-Number, and a text", http.StatusBadRequest)
			return
		}
		sms := data.SMTPMessage{From: "shop@sms", To: []string{number + "@sms"}, Helo: "sms",
			Data: "From: shop@sms\r\nTo: " + number + "@sms\r\nSubject: SMS\r\n" +
				"Content-Type: text/plain; charset=UTF-8\r\n\r\n" + string(text)}
		message := sms.Parse(to.Hostname)
		if _, err := to.Storage.Store(message); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		to.MessageChan <- message
		w.WriteHeader(http.StatusCreated)
	}
}
