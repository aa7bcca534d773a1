"""The words of a rehearsal's page and table, in English and Spanish."""

from __future__ import annotations

from cauce.core.artefacts import Words

TEXTS: dict[str, Words] = {
    "title": {"en": "Rehearsal", "es": "Ensayo"},
    "picture": {"en": "What the loop would have done", "es": "Lo que habría hecho el ciclo"},
    "table": {"en": "Every scenario", "es": "Todos los escenarios"},
    "line": {"en": "Decisions in the past as it was", "es": "Decisiones en el pasado tal como fue"},
    "settings": {"en": "Settings", "es": "Ajustes"},
    "tried": {"en": "What was tried on the first half", "es": "Lo que se probó en la primera mitad"},
    "quiet": {"en": "It would have done nothing.", "es": "No habría hecho nada."},
    "scenario": {"en": "scenario", "es": "escenario"},
    "detected": {"en": "noticed", "es": "notado"},
    "delay": {"en": "after rows", "es": "tras filas"},
    "answered": {"en": "right answer", "es": "respuesta debida"},
    "false": {"en": "false alarms a month", "es": "falsas alarmas al mes"},
    "retrained": {"en": "retrainings", "es": "reentrenos"},
    "never": {"en": "loss against never", "es": "pérdida frente a nunca"},
    "always": {"en": "against always, cost", "es": "frente a siempre, coste"},
    "oracle": {"en": "against the oracle", "es": "frente al oráculo"},
    "calendar": {"en": "against a calendar", "es": "frente al calendario"},
    "rows_fitted": {"en": "rows fitted", "es": "filas ajustadas"},
    "loss": {"en": "loss", "es": "pérdida"},
    "loss_axis": {"en": "mean loss between looks", "es": "pérdida media entre miradas"},
    "alarms": {"en": "alarms", "es": "alarmas"},
    "short_retrain": {"en": "retrained", "es": "reentr."},
    "short_fix": {"en": "fix data", "es": "arreglar"},
    "act_retrain": {"en": "retrain", "es": "reentrenar"},
    "act_fix": {"en": "fix the data", "es": "arreglar los datos"},
    "took_over": {"en": "retrained, the new model took over", "es": "reentrenado, el modelo nuevo tomó el relevo"},
    "stayed": {"en": "retrained, the old model stayed", "es": "reentrenado, el modelo viejo se quedó"},
    "row": {"en": "row {0}", "es": "fila {0}"},
    "headline_better": {
        "en": "The loop pays: on your own past the loss is {0} against a model that is never renewed, beyond chance.",
        "es": "El ciclo compensa: en tu propio pasado la pérdida es {0} frente a un modelo que no se renueva nunca, "
        "más allá del azar.",
    },
    "headline_worse": {
        "en": "On your own past the loop does harm: the loss is {0} against a model that is never renewed.",
        "es": "En tu propio pasado el ciclo perjudica: la pérdida es {0} frente a un modelo que no se renueva nunca.",
    },
    "headline_better_here": {
        "en": "On your own past the loop paid: the loss is {0} against a model that is never renewed. That the future "
        "will show it too is not proven.",
        "es": "En tu propio pasado el ciclo compensó: la pérdida es {0} frente a un modelo que no se renueva nunca. "
        "Que también lo muestre el futuro no está probado.",
    },
    "headline_idle": {
        "en": "On your own past the loop would have retrained nothing: the loss is that of a model never renewed.",
        "es": "En tu propio pasado el ciclo no habría reentrenado nada: la pérdida es la de un modelo nunca renovado.",
    },
    "headline_worse_here": {
        "en": "On your own past the loop did harm: the loss is {0} against a model that is never renewed. That the "
        "future will show it too is not proven.",
        "es": "En tu propio pasado el ciclo perjudicó: la pérdida es {0} frente a un modelo que no se renueva nunca. "
        "Que también lo muestre el futuro no está probado.",
    },
    "headline_chance": {
        "en": "On your own past the loop is not proven to pay: the loss is {0} against a model that is never renewed, "
        "which may be chance.",
        "es": "En tu propio pasado no está probado que el ciclo compense: la pérdida es {0} frente a un modelo que no "
        "se renueva nunca, lo que puede ser azar.",
    },
    "advice_none": {
        "en": "run it without `--quick` for a recommendation.",
        "es": "ejecútalo sin `--quick` para obtener una recomendación.",
    },
    "desc": {
        "en": "The solid line is the loop's mean loss, the dashed one that of the first model, never renewed. Below: "
        "alarms, retrainings (large: the new model took over), and when the data were to be fixed.",
        "es": "La línea continua es la pérdida media del ciclo; la discontinua, la del primer modelo, nunca renovado. "
        "Debajo: alarmas, reentrenamientos (grandes: el modelo nuevo tomó el relevo) y cuándo había que arreglar los "
        "datos.",
    },
    "legend": {
        "en": "noticed: share of the runs in which an alarm began after the change; after rows: how many came until "
        "then; right answer: share of the runs in which it retrained, or, of a fault, asked to fix the data; loss "
        "against another way: below zero the loop is better, with the 95% interval over blocks of consecutive rows; "
        "cost: rows that the loop fitted, of those that retraining at every look fits; calendar: as many retrainings, "
        "evenly spaced.",
        "es": "notado: proporción de pruebas en que empezó una alarma tras el cambio; tras filas: cuántas llegaron "
        "hasta entonces; respuesta debida: proporción de pruebas en que reentrenó o, ante un fallo, pidió arreglar los "
        "datos; pérdida frente a otra manera: por debajo de cero el ciclo es mejor, con el intervalo del 95 % sobre "
        "bloques de filas seguidas; coste: filas que ajustó el ciclo, de las que ajusta quien reentrena en cada "
        "mirada; calendario: otros tantos reentrenamientos, espaciados por igual.",
    },
    "note": {
        "en": "{0} rows, the first model made from {1}; rung {2}; {7} looks, one every {3} days; truths {4} days after "
        "their rows; {5} runs a scenario, seed {6}. Injected changes are replayed on rows in random order.",
        "es": "{0} filas, el primer modelo hecho con {1}; peldaño {2}; {7} miradas, una cada {3} días; resultados {4} "
        "días después de sus filas; {5} pruebas por escenario, semilla {6}. Los cambios inyectados se reproducen sobre "
        "filas en orden aleatorio.",
    },
}
