#include "generation/continuation_words.h"

namespace perdure {

std::string_view continuation_words(Language language) {
  switch (language) {
    case Language::kGerman:
      return "Deine letzte Nachricht brach mittendrin ab. Schreibe genau dort weiter, wo sie aufhört: nur das, was als "
             "Nächstes kommt, ohne Wiederholung, ohne Einleitung und ohne ein Wort über die Unterbrechung.";
    case Language::kFrench:
      return "Ton dernier message s'est interrompu. Reprends exactement là où il s'arrête : écris seulement la suite, "
             "sans rien répéter, sans introduction et sans un mot sur l'interruption.";
    case Language::kSpanish:
      return "Tu último mensaje se interrumpió a la mitad. Sigue exactamente donde se detuvo: escribe solo lo que "
             "viene "
             "después, sin repetir nada, sin introducción y sin comentar la interrupción.";
    case Language::kItalian:
      return "Il tuo ultimo messaggio si è interrotto a metà. Riprendi esattamente da dove si ferma: scrivi solo il "
             "seguito, senza ripetere nulla, senza introduzione e senza commentare l'interruzione.";
    case Language::kPortuguese:
      return "A sua última mensagem foi interrompida a meio. Continue exatamente de onde parou: escreva apenas o que "
             "vem "
             "a seguir, sem repetir nada, sem introdução e sem comentar a interrupção.";
    case Language::kDutch:
      return "Je laatste bericht brak halverwege af. Ga precies verder waar het stopt: schrijf alleen wat volgt, "
             "zonder "
             "iets te herhalen, zonder inleiding en zonder opmerking over de onderbreking.";
    case Language::kRussian:
      return "Твоё последнее сообщение оборвалось. Продолжи ровно с того места, где оно остановилось: пиши только то, "
             "что "
             "идёт дальше, без повторов, без вступления и без слов о перерыве.";
    case Language::kChinese:
      return "你的上一条消息中途断了。请从断开的地方接着写：只写接下来的内容，不要重复，不要开场白，也不要提及中断。";
    case Language::kJapanese:
      return "直前のメッセージは途中で途切れました。途切れた箇所からそのまま続けてください。続きだけを書き、繰り返し、"
             "前置き、"
             "中断への言及はしないでください。";
    case Language::kKorean:
      return "마지막 메시지가 중간에 끊겼습니다. 끊긴 바로 그 지점부터 이어서 쓰세요. 반복, 머리말, 중단에 대한 언급 "
             "없이 이어지는 "
             "내용만 쓰세요.";
    default:
      return "Your last message broke off in the middle. Go on from exactly where it stopped: write only what comes "
             "next, without repeating anything, without an introduction and without a remark about the interruption.";
  }
}

}  // namespace perdure
