package sidecar

import (
	"errors"
	"fmt"
	"testing"
)

// azure returns an error text as azcore.ResponseError writes it.
func azure(code, text string) string {
	const line = "--------------------------------------------------------------------------------"
	return fmt.Sprintf("GET https://shop.blob.core.windows.net/images/0192\n%s\nRESPONSE 404: 404 %s\nERROR CODE: %s\n%s\n"+
		"\ufeff<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>\n%s\n", line, text, code, line, code, text, line)
}

// TestNoSuchFile has the error texts of components-contrib v1.18.3 and of its SDKs. An error of the store itself is no
// missing file.
func TestNoSuchFile(t *testing.T) {
	const s3 = "operation error S3: GetObject, https response error StatusCode: 404, RequestID: R, HostID: H, "
	for want, texts := range map[bool][]string{
		true: {
			"file not found: /srv/images/0192",
			"error deleting file /srv/images/0192: remove /srv/images/0192: no such file or directory",
			"object not found",
			"blob not found",
		},
		false: {
			"error creating file /srv/images/0192: open /srv/images/0192: no such file or directory",
			"error creating directory /srv/images: mkdir /srv/images: no such file or directory",
			"error deleting file /srv/images/0192: remove /srv/images/0192: permission denied",
			"error opening path /srv/images/0192: open /srv/images/0192: permission denied",
			"s3 binding error: error downloading S3 object: " + s3 + "NoSuchBucket: ",
			"s3 binding error: delete operation failed: " + s3 + "NoSuchBucket: ",
			"error downloading az blob: " + azure("ContainerNotFound", "The specified container does not exist."),
			azure("ContainerNotFound", "The specified container does not exist."),
			"error downloading az blob: DefaultAzureCredential: failed to acquire a token: tenant not found",
			"couldn't find output binding images",
		},
	} {
		for _, text := range texts {
			err := errors.New("error invoking binding images/get: rpc error: code = Internal desc = error invoking output binding images: " + text)
			if isFileNotFound(err) != want {
				t.Errorf("%q: want %t", text, want)
			}
		}
	}
}
