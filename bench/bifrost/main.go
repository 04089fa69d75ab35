// An HTTP door for Bifrost's core, which is the part of Bifrost that the Go module proxy has: chat completions, whole and streamed, with a
// second supplier to fall back to. Of its own HTTP program, which does more for each request, no version could be had that the checksum database knows; what is
// measured here is therefore the least that Bifrost can cost, not the most.
//
//	bifrost-door PORT FIRST_URL [SECOND_URL]     URLs without /v1
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	bifrost "github.com/maximhq/bifrost/core"
	"github.com/maximhq/bifrost/core/schemas"

	"github.com/bytedance/sonic"
	"github.com/valyala/fasthttp"
)

const second schemas.ModelProvider = "second"

// account tells the core which suppliers there are: one at an address of ours, and perhaps another of the same kind.
type account struct {
	urls map[schemas.ModelProvider]string
}

func (a account) GetConfiguredProviders() ([]schemas.ModelProvider, error) {
	var names []schemas.ModelProvider
	for name := range a.urls {
		names = append(names, name)
	}
	return names, nil
}

func (a account) GetKeysForProvider(_ context.Context, _ schemas.ModelProvider) ([]schemas.Key, error) {
	return []schemas.Key{{ID: "bench", Name: "bench", Value: *schemas.NewSecretVar("upstream-key"), Models: schemas.WhiteList{"*"}, Weight: 1}}, nil
}

func (a account) GetConfigForProvider(name schemas.ModelProvider) (*schemas.ProviderConfig, error) {
	url, known := a.urls[name]
	if !known {
		return nil, fmt.Errorf("no supplier %s", name)
	}
	config := &schemas.ProviderConfig{NetworkConfig: schemas.DefaultNetworkConfig, ConcurrencyAndBufferSize: schemas.DefaultConcurrencyAndBufferSize}
	config.NetworkConfig.BaseURL = url
	config.NetworkConfig.StreamIdleTimeoutInSeconds = 3
	if name == second {
		config.CustomProviderConfig = &schemas.CustomProviderConfig{BaseProviderType: schemas.OpenAI}
	}
	return config, nil
}

// chat is what a client sends besides its parameters.
type chat struct {
	Model    string                `json:"model"`
	Messages []schemas.ChatMessage `json:"messages"`
	Stream   bool                  `json:"stream"`
}

type door struct {
	core      *bifrost.Bifrost
	fallbacks []schemas.Fallback
}

func refuse(ctx *fasthttp.RequestCtx, failure *schemas.BifrostError) {
	ctx.SetStatusCode(fasthttp.StatusBadGateway)
	if failure.StatusCode != nil {
		ctx.SetStatusCode(*failure.StatusCode)
	}
	body, _ := sonic.Marshal(failure)
	ctx.SetContentType("application/json")
	ctx.SetBody(body)
}

func (d *door) handle(ctx *fasthttp.RequestCtx) {
	var asked chat
	var parameters schemas.ChatParameters
	if string(ctx.Path()) != "/v1/chat/completions" {
		ctx.Error("not found", fasthttp.StatusNotFound)
		return
	}
	for _, part := range []any{&asked, &parameters} {
		if err := sonic.Unmarshal(ctx.PostBody(), part); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
	}
	request := &schemas.BifrostChatRequest{Provider: schemas.OpenAI, Model: asked.Model, Input: asked.Messages, Params: &parameters}
	for _, fallback := range d.fallbacks {
		fallback.Model = asked.Model
		request.Fallbacks = append(request.Fallbacks, fallback)
	}
	if !asked.Stream {
		answer, failure := d.core.ChatCompletionRequest(schemas.NewBifrostContext(context.Background(), schemas.NoDeadline), request)
		if failure != nil {
			refuse(ctx, failure)
			return
		}
		body, err := sonic.Marshal(answer)
		if err != nil {
			ctx.Error(err.Error(), fasthttp.StatusInternalServerError)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
		return
	}
	frames, failure := d.core.ChatCompletionStreamRequest(schemas.NewBifrostContext(context.Background(), schemas.NoDeadline), request)
	if failure != nil {
		refuse(ctx, failure)
		return
	}
	ctx.SetContentType("text/event-stream")
	ctx.SetBodyStreamWriter(func(out *bufio.Writer) {
		for frame := range frames {
			var data []byte
			if frame.BifrostError != nil {
				data, _ = sonic.Marshal(frame.BifrostError)
			} else {
				data, _ = sonic.Marshal(frame.BifrostChatResponse)
			}
			if _, err := fmt.Fprintf(out, "data: %s\n\n", data); err != nil || out.Flush() != nil {
				for range frames { // the core's sender must not wait for a client that went away
				}
				return
			}
			if frame.BifrostError != nil {
				return
			}
		}
		out.WriteString("data: [DONE]\n\n")
		out.Flush()
	})
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: bifrost-door PORT FIRST_URL [SECOND_URL]")
		os.Exit(2)
	}
	urls := map[schemas.ModelProvider]string{schemas.OpenAI: os.Args[2]}
	d := &door{}
	if len(os.Args) > 3 {
		urls[second] = os.Args[3]
		d.fallbacks = []schemas.Fallback{{Provider: second}}
	}
	core, err := bifrost.Init(context.Background(), schemas.BifrostConfig{
		Account: account{urls}, InitialPoolSize: 1000, Logger: bifrost.NewDefaultLogger(schemas.LogLevelError)})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	d.core = core
	server := &fasthttp.Server{Handler: d.handle, MaxRequestBodySize: 32 << 20}
	if err := server.ListenAndServe("127.0.0.1:" + os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
